# nginx as the gateway of the services with the tags http and tcp:
#
#   ctmpl -config ctmpl.hcl

consul {
  address = "127.0.0.1:8500"
}

wait { # one reload for containers that come together
  min = "250ms"
  max = "1s"
}

guard {                # hold back what looks like an accident,
  max_shrink = "50%"   # such as more than half of all instances gone within a minute,
  hold       = "10m"   # for this time, or until ctmpl approve
}

template {
  source      = "@nginx/gateway.conf"
  destination = "/etc/nginx/nginx.conf"
  reload      = "nginx"    # check the file first, reload, see that it was taken over
  urgent      = "removals" # an instance that leaves does not wait

  vars {
    domain       = "example.com" # httpfront is at httpfront.example.com
    tls_listen   = "8443"        # for TLS that passes through by host
    ports        = "9000-9999,20000-29999" # that services may have of their own
    max_fails    = "3"
    fail_timeout = "60s"
  }
}
