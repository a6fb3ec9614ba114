// Command worker is an HTTP server that tells Consul that it is there, and how busy it is.
// nginx, whose configuration ctmpl keeps, sends requests to the least busy ones.
//
//   - It is in Consul as the service worker with the ID worker-IP, with an HTTP check of
//     /status.
//   - Its entry, the key worker/IP:PORT, is {"load":80,"ts":1482828232}: how busy it is, from 0
//     to 100, and when that was. The entry is there before the worker is in Consul.
//   - SIGINT and SIGTERM: it leaves Consul, goes on to answer until nginx has noticed, finishes
//     what is under way, and takes its entry away. A second signal ends it at once.
//   - A worker that dies is found out by the check.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hashicorp/consul/api"
)

// options are the flags.
type options struct {
	address      string
	consul       string
	service      string
	update       time.Duration
	check        time.Duration
	checkTimeout time.Duration
	drain        time.Duration
	work         time.Duration
	slots        int
	loadFile     string
}

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

// run gives the exit code: 0 after a signal, when all was left in order.
func run(args []string, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	opts, err := parse(args, stderr)
	if err != nil {
		return 2 // the flag package has said why
	}
	if err := serve(ctx, opts, stderr); err != nil {
		fmt.Fprintln(stderr, "worker:", err)
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("worker", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.address, "address", "127.0.0.1:8080", "`IP:PORT` to listen on, which nginx and Consul reach the worker by")
	flags.StringVar(&o.consul, "consul", api.DefaultConfig().Address, "`HOST:PORT` of the Consul agent")
	flags.StringVar(&o.service, "service", "worker", "`NAME` of the service, and the beginning of the key and the ID")
	flags.DurationVar(&o.update, "update", 10*time.Second, "`TIME` between two updates of the entry")
	flags.DurationVar(&o.check, "check", 5*time.Second, "`TIME` between two checks by Consul, 1s or more")
	flags.DurationVar(&o.checkTimeout, "check-timeout", time.Second, "`TIME` that a check may take")
	flags.DurationVar(&o.drain, "drain", 2*time.Second, "`TIME` to go on answering after leaving Consul")
	flags.DurationVar(&o.work, "work", 10*time.Millisecond, "`TIME` that an answer takes, in place of real work")
	flags.IntVar(&o.slots, "slots", 8, "`NUMBER` of requests at a time that are a load of 100")
	flags.StringVar(&o.loadFile, "load-file", "", "`FILE` with a number from 0 to 100 that is taken for the load, in place of requests")
	err := flags.Parse(args)
	if err == nil && (o.update <= 0 || o.slots <= 0 || flags.NArg() > 0) {
		err = errors.New("-update and -slots have to be more than 0, and there are no arguments beside flags")
		fmt.Fprintln(stderr, "worker:", err)
	}
	return o, err
}
