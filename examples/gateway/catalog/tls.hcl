# TLS by the host that the client asks for: both at one port. Only the shipped template
# knows that, so these are in a file of their own.

service {
  name = "shop"
  node = "consul-1"
  id   = "consul-1:shop-1:8443"
  tags = ["tcp"]
  port = 32774
  meta { nginx_host = "shop.example.com" }
}

service {
  name = "bank"
  node = "consul-3"
  id   = "consul-3:bank-1:8443"
  tags = ["tcp"]
  port = 32774
  meta { nginx_host = "bank.example.com" }
}
