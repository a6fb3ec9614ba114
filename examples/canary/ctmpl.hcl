# nginx as the gateway of a shop that is being released, by the cookie of its users:
#
#   ctmpl -config ctmpl.hcl
#   consul kv put release/shop/canary 5

consul {
  address = "127.0.0.1:8500"
}

wait { # one reload for instances that come together
  min = "100ms"
  max = "500ms"
}

template {
  source      = "@nginx/gateway.conf"
  destination = "/etc/nginx/nginx.conf"
  reload      = "nginx"    # check the file first, reload, see that it was taken over
  urgent      = "removals" # an instance that leaves does not wait

  vars {
    domain    = "example.com" # shop is at shop.example.com,
    canary_by = "cookie user" # and who has this cookie keeps the version
  }
}
