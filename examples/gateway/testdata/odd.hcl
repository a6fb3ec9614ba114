# Services that cannot be reached as they are, and one that can.
node {
  name = "consul-1"
  address = "192.168.0.129"
}

service {
  name = "größe"
  node = "consul-1"
  tags = ["http"]
  port = 1
}

service {
  name = "api.v2"
  node = "consul-1"
  tags = ["http"]
  port = 2
}

service {
  name = "front-end"
  node = "consul-1"
  tags = ["tcp"]
  port = 3
}

service {
  name = "my-mail-9025"
  node = "consul-1"
  tags = ["tcp"]
  port = 3
}

service {
  name = "web"
  node = "consul-1"
  address = "no.such.host.invalid"
  tags = ["http"]
  port = 4
}
