# nginx beside the service web, in the place of Consul's own proxy: what web asks of
# these ports goes to other services of the mesh, by mutual TLS and as web.

consul {
  address = "127.0.0.1:8500"
}

vars {                    # for all templates
  service         = "web" # who we are
  lb              = "least_conn"
  max_fails       = "1"   # one that has failed is left alone
  fail_timeout    = "5s"  # for this time, and then tried again
  connect_timeout = "1s"  # with the handshake; then the next instance is asked
  keepalive_time  = "5s"  # a connection for HTTP is made anew, so that a denial is noticed
}

# TCP: any member of the mesh may answer, and nobody else.
template {
  source      = "@nginx/connect-stream.conf"
  destination = "/etc/nginx/stream.d/socat.conf"
  reload      = "nginx"
  vars {
    upstream = "socat"
    listen   = "127.0.0.1:9191"
  }
}

# HTTP: the same.
template {
  source      = "@nginx/connect-http.conf"
  destination = "/etc/nginx/http.d/service2.conf"
  reload      = "nginx"
  vars {
    upstream     = "service2"
    listen       = "127.0.0.1:38082"
    read_timeout = "2s"
  }
}

# HTTP, shared by two versions.
template {
  source      = "split.conf.tmpl"
  destination = "/etc/nginx/http.d/service2-split.conf"
  format      = "nginx"
  reload      = "nginx"
  vars {
    upstream = "service2"
    listen   = "127.0.0.1:38083"
  }
}

# TCP through the forwarder: only socat itself may answer.
template {
  source      = "verified.conf.tmpl"
  destination = "/etc/nginx/stream.d/socat-verified.conf"
  format      = "nginx"
  reload      = "nginx"
  vars {
    upstream = "socat"
    listen   = "127.0.0.1:9292"
  }
}

# What the forwarder shows and trusts. It follows these files: nginx has nothing to do
# with them, and is not reloaded when they change.
template {
  contents    = "{{ with caLeaf (var \"service\") }}{{ .CertPEM }}\n{{ .PrivateKeyPEM }}{{ end }}"
  destination = "/etc/nginx/mesh/web.pem"
  perms       = 0600
  user        = "www-data" # who runs the forwarder
}

template {
  contents    = "{{ range caRoots }}{{ .RootCertPEM }}\n{{ end }}"
  destination = "/etc/nginx/mesh/roots.pem"
}
