# Services to try it without Consul.

node {
  name    = "node-1"
  address = "10.0.0.1"
}

node {
  name    = "node-2"
  address = "10.0.0.2"
}

service {
  name = "hello"
  id   = "hello-1"
  node = "node-1"
  port = 9000
  tags = ["grpc"]
}

service {
  name = "hello"
  id   = "hello-2"
  node = "node-2"
  port = 9000
  tags = ["grpc"]
}

service {
  name    = "hello"
  id      = "hello-3"
  node    = "node-2"
  address = "10.0.0.3"
  port    = 9000
  tags    = ["grpc"]
  check { status = "critical" } # its TTL has lapsed
}
