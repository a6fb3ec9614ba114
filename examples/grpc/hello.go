package main

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// serviceName is the name of the service for gRPC, as a .proto file would give it.
const serviceName = "ctmpl.example.Hello"

// helloDesc is what protoc would generate for
//
//	service Hello {
//	  rpc Say(google.protobuf.StringValue) returns (google.protobuf.StringValue);
//	  rpc Ticks(google.protobuf.StringValue) returns (stream google.protobuf.StringValue);
//	  rpc Chat(stream google.protobuf.StringValue) returns (stream google.protobuf.StringValue);
//	}
var helloDesc = grpc.ServiceDesc{
	ServiceName: serviceName,
	HandlerType: (*helloServer)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Say", Handler: handleSay}},
	Streams: []grpc.StreamDesc{
		{StreamName: "Ticks", Handler: handleTicks, ServerStreams: true},
		{StreamName: "Chat", Handler: handleChat, ServerStreams: true, ClientStreams: true},
	},
}

// helloServer answers with its name in front.
type helloServer interface {
	Say(ctx context.Context, text string) (string, error)
	// Ticks sends numbers from 1 on until the client has enough.
	Ticks(ctx context.Context, send func(string) error) error
	// Chat answers each message.
	Chat(receive func() (string, error), send func(string) error) error
}

func handleSay(srv any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	in := new(wrapperspb.StringValue)
	if err := decode(in); err != nil {
		return nil, err
	}
	out, err := srv.(helloServer).Say(ctx, in.GetValue())
	return wrapperspb.String(out), err
}

func handleTicks(srv any, stream grpc.ServerStream) error {
	if _, err := receive(stream)(); err != nil {
		return err
	}
	return srv.(helloServer).Ticks(stream.Context(), send(stream))
}

func handleChat(srv any, stream grpc.ServerStream) error {
	return srv.(helloServer).Chat(receive(stream), send(stream))
}

// messages is what a stream of a server and one of a client have in common.
type messages interface {
	SendMsg(any) error
	RecvMsg(any) error
}

func send(stream messages) func(string) error {
	return func(text string) error { return stream.SendMsg(wrapperspb.String(text)) }
}

func receive(stream messages) func() (string, error) {
	return func() (string, error) {
		in := new(wrapperspb.StringValue)
		err := stream.RecvMsg(in)
		return in.GetValue(), err
	}
}

// say is the client's side of Say.
func say(ctx context.Context, conn grpc.ClientConnInterface, text string) (string, error) {
	out := new(wrapperspb.StringValue)
	err := conn.Invoke(ctx, "/"+serviceName+"/Say", wrapperspb.String(text), out)
	return out.GetValue(), err
}

// ticks is that of Ticks. The stream ends with ctx.
func ticks(ctx context.Context, conn grpc.ClientConnInterface) (grpc.ClientStream, error) {
	stream, err := conn.NewStream(ctx, &helloDesc.Streams[0], "/"+serviceName+"/Ticks")
	if err != nil {
		return nil, err
	}
	if err := send(stream)(""); err != nil {
		return nil, err
	}
	return stream, stream.CloseSend()
}

// chat is that of Chat. The stream ends with ctx.
func chat(ctx context.Context, conn grpc.ClientConnInterface) (grpc.ClientStream, error) {
	return conn.NewStream(ctx, &helloDesc.Streams[1], "/"+serviceName+"/Chat")
}
