# All that a service can say. DIR stands for the directory of the test.
node { name = "n1" address = "10.0.0.1" }
node { name = "n2" address = "10.0.0.2" }

# The plain ones.
service { name = "web" id = "web-1" node = "n1" port = 8001 tags = ["http"] create_index = 11 }
service { name = "web" id = "web-2" node = "n2" port = 8001 tags = ["http"] create_index = 12 weights { passing = 20 warning = 10 } }
service {
  name = "web" id = "web-3" node = "n2" port = 8002 tags = ["http"] create_index = 13
  check { status = "critical" }
}

# By path, and with all keys.
service {
  name = "api" id = "api-1" node = "n1" port = 8003 tags = ["http"] create_index = 21
  meta = {
    nginx_host = "web.example.com,api.example.com" nginx_path = "/api/" nginx_lb = "least_conn" nginx_keepalive = "4"
    nginx_weight = "3" nginx_max_conns = "100" nginx_max_fails = "3" nginx_fail_timeout = "1m"
  }
}
service {
  name = "api" id = "api-2" node = "n2" port = 8003 tags = ["http"] create_index = 22
  meta = {
    nginx_host = "web.example.com,api.example.com" nginx_path = "/api/" nginx_lb = "least_conn" nginx_keepalive = "4" nginx_backup = "true"
  }
}
service { name = "hashed" port = 8004 tags = ["http"] meta = { nginx_lb = "hash cookie_session" nginx_listen = "PORT-own" } }

# Nothing of it is up: 502.
service {
  name = "away" port = 8005 tags = ["http"]
  check { status = "critical" }
}

# A canary.
service { name = "shop" id = "shop-1" port = 8006 tags = ["http"] meta = { version = "v1" } }
service { name = "shop" id = "shop-2" port = 8007 tags = ["http"] meta = { version = "v2" } }

# gRPC, TLS, and both.
service { name = "greeter" port = 8008 tags = ["grpc"] }
service { name = "bank" port = 8009 tags = ["http"] meta = { nginx_tls = "kv:bank" } }
service { name = "vault" port = 8010 tags = ["grpc"] meta = { nginx_tls = "file:vault" } }
service { name = "nocert" port = 8011 tags = ["http"] meta = { nginx_tls = "kv:nobody" } }
service { name = "badcert" port = 8012 tags = ["http"] meta = { nginx_tls = "kv:bad" } }

# TCP, by port and by host.
service { name = "echo-PORT-echo" port = 8013 tags = ["tcp"] meta = { nginx_lb = "ip_hash" } }
service { name = "mail" port = 8014 tags = ["tcp"] meta = { nginx_listen = "PORT-mail" nginx_lb = "random" } }
service { name = "secret" port = 8015 tags = ["tcp"] meta = { nginx_host = "secret.example.com" } }

# What is left out, and of odd names.
service { name = "thief" port = 8016 tags = ["http"] create_index = 99 meta = { nginx_host = "web.example.com" } }
service { name = "evil" port = 8017 tags = ["http"] meta = { nginx_host = "a.com; location /etc/ { alias /etc/; } set $x 1" } }
service { name = "heavy" port = 8018 tags = ["http"] meta = { nginx_weight = "1; } server { listen 18902; location / { root /; } } upstream v { server 127.0.0.1:1" } }
service { name = "socket" address = "unix:/var/run/docker.sock" port = 8019 tags = ["http"] }
service { name = "Upper.Case" port = 8020 tags = ["http"] }
service { name = "umläut" port = 8021 tags = ["http"] meta = { nginx_host = "umlaut.example.com" } }
service { name = "inner" port = 8022 }

kv {
  "release/shop/canary" = "20"
  "nginx/tls/bad"       = "no certificate"
}
