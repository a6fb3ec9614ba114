# What the three nodes of the picture would register, to try the templates without
# Consul. Change it while ctmpl runs: the output follows.

node {
  name    = "consul-1"
  address = "192.168.0.129"
}

node {
  name    = "consul-2"
  address = "192.168.0.130"
}

node {
  name    = "consul-3"
  address = "192.168.0.131"
}

# The IDs are registrator's: host:container:port in the container.

service {
  name = "httpfront"
  node = "consul-1"
  id   = "consul-1:httpfront-7:8080"
  tags = ["http"]
  port = 32769
  meta { version = "v1" }
}

service {
  name = "httpfront"
  node = "consul-2"
  id   = "consul-2:httpfront-8:8080"
  tags = ["http"]
  port = 32769
  meta { version = "v1" }
}

service {
  name = "httpfront"
  node = "consul-3"
  id   = "consul-3:httpfront-9:8080"
  tags = ["http"]
  port = 32770
  meta { version = "v1" }
}

# Without a tag: only for other services, which find it through Consul.
service {
  name = "httpbackend"
  node = "consul-2"
  id   = "consul-2:httpbackend-1:8080"
  port = 32771
  meta { version = "v1" }
}

# nginx listens on the last part of the name.
service {
  name = "tcpfront-9999"
  node = "consul-1"
  id   = "consul-1:tcpfront-1:7"
  tags = ["tcp"]
  port = 32772
}

service {
  name = "tcpfront-9999"
  node = "consul-3"
  id   = "consul-3:tcpfront-2:7"
  tags = ["tcp"]
  port = 32772
}

# TLS passes through: the certificate is the backend's.
service {
  name = "tlsfront-9443"
  node = "consul-2"
  id   = "consul-2:tlsfront-1:8443"
  tags = ["tcp"]
  port = 32773
}
