# What Consul would know, as a file: ctmpl -catalog catalog.hcl.
#
# The definitions are those of Consul's services and keys. Nobody runs the checks:
# change a status here and save, and ctmpl acts on it at once. The demo puts free
# ports in place of these.

# Keys are settings that templates read.
kv = {
  "nginx/listen" = "8080" # where nginx takes the requests for web
  "nginx/buffer" = "4k" # for the head of an answer
}

# A TCP service. The last part of its name is the port where nginx offers it.

service {
  name = "echo-9000"
  tags = ["tcp"]
  id   = "echo-1"
  port = 7001
  check { status = "passing" }
}

# A web service. Each of its instances has an id of its own.

service {
  name = "web"
  tags = ["http"]
  id   = "web-1"
  port = 8001
  check { status = "passing" }
}

service {
  name = "web"
  tags = ["http"]
  id   = "web-2"
  port = 8002
  check { status = "passing" }
}

service {
  name = "web"
  tags = ["http"]
  id   = "web-3"
  port = 8003
  check { status = "passing" }
}
