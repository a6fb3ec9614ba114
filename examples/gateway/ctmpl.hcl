# The same as
#
#   ctmpl -template "nginx.conf.tmpl:/etc/nginx/nginx.conf:nginx -s reload"

consul {
  address = "127.0.0.1:8500"
}

template {
  source      = "nginx.conf.tmpl"
  destination = "/etc/nginx/nginx.conf"
  command     = "nginx -s reload"
}
