# nginx as the gRPC gateway of the services with the tag grpc:
#
#   ctmpl -config ctmpl.hcl

consul {
  address = "127.0.0.1:8500"
}

wait { # one reload for servers that come together
  min = "250ms"
  max = "1s"
}

nginx {
  max_draining = 64 # workers of before that may have streams; with more a reload waits, also when a server leaves
}

template {
  source      = "@nginx/gateway.conf"
  destination = "/etc/nginx/nginx.conf"
  reload      = "nginx"    # check the file first, reload, see that it was taken over
  urgent      = "removals" # a server that leaves does not wait

  vars {
    domain           = "example.com" # hello is at hello.example.com,
    grpc_listen      = "50051"       # on this port
    shutdown_timeout = "5m"          # a stream of before a reload may last so long
  }
}
