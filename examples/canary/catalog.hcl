# Services to try it without Consul: change the percentage, or a version.

service {
  name    = "shop"
  id      = "shop-v1-1"
  address = "10.0.0.1"
  port    = 8080
  tags    = ["http"]
  meta    = { version = "v1" }
}

service {
  name    = "shop"
  id      = "shop-v1-2"
  address = "10.0.0.2"
  port    = 8080
  tags    = ["http"]
  meta    = { version = "v1" }
}

service {
  name    = "shop"
  id      = "shop-v2-1"
  address = "10.0.0.3"
  port    = 8080
  tags    = ["http"]
  meta    = { version = "v2" }
}

kv {
  "release/shop/canary" = "5"
}
