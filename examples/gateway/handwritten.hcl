# nginx's main file from a template of one's own, with what only ctmpl has: a file that
# nginx does not take never goes live, and a catalog that is emptied does not empty nginx.
#
#   ctmpl -config handwritten.hcl

consul {
  address = "127.0.0.1:8500"
}

wait { # one reload for containers that come together
  min = "250ms"
  max = "1s"
}

guard {                # hold back what looks like an accident,
  max_shrink = "50%"   # such as more than half of all instances gone within a minute,
  hold       = "10m"   # for this time, or until ctmpl approve
}

template {
  source      = "nginx.conf.tmpl"
  destination = "/etc/nginx/nginx.conf"
  format      = "nginx"    # no value from Consul changes the structure of the file
  reload      = "nginx"    # check the file first, reload, see that it was taken over
  urgent      = "removals" # an instance that leaves does not wait
}
