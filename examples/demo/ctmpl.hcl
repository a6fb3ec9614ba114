# How ctmpl is to drive nginx: ctmpl -config ctmpl.hcl. The demo puts its own
# directory in place of /srv/demo.

catalog   = "catalog.hcl" # in place of Consul
state_dir = "state"       # where the last good outputs are kept

nginx {
  config   = "/srv/demo/nginx.conf"
  prefix   = "/srv/demo"
  pid_file = "/srv/demo/nginx.pid"
}

guard {} # hold a change that takes away more than half of all instances

template {
  source      = "nginx.conf.tmpl"
  destination = "nginx.conf"
  format      = "nginx" # no value changes the structure of the file
  reload      = "nginx" # check first, reload, see that it was taken over
}
