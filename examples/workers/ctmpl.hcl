# nginx in front of the workers:
#
#   ctmpl -config ctmpl.hcl

consul {
  address = "127.0.0.1:8500"
}

wait { # one reload for what comes together
  min = "250ms"
  max = "1s"
}

template {
  source      = "workers.conf.tmpl"
  destination = "/etc/nginx/conf.d/workers.conf"
  format      = "nginx"    # no value from Consul changes the structure of the file
  reload      = "nginx"    # check the file first, reload, see that it was taken over
  urgent      = "removals" # a worker that leaves does not wait for what wait says

  min_reload_interval = "10s" # however many workers have news: weights that change meanwhile go live together

  vars {
    host  = "worker.example.com"
    port  = "80"
    stale = "30" # seconds: what a worker has said before that counts as busy
  }
}
