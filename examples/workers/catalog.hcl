# What Consul would know, to try the template without it: save a change of this file while
# ctmpl runs with -catalog. The entries are old, so say -var stale=1e10 for them to count.

service { name = "worker" id = "worker-10.0.0.11" address = "10.0.0.11" port = 8080 }
service { name = "worker" id = "worker-10.0.0.12" address = "10.0.0.12" port = 8080 }
service { name = "worker" id = "worker-10.0.0.13" address = "10.0.0.13" port = 8080 }
service { name = "worker" id = "worker-10.0.0.14" address = "10.0.0.14" port = 8080 }

kv {
  "worker/10.0.0.11:8080" = "{\"load\":0,\"ts\":1482828232}"
  "worker/10.0.0.12:8080" = "{\"load\":80,\"ts\":1482828232}"
  "worker/10.0.0.13:8080" = "out of order"
}
