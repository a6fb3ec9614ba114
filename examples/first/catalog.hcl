# What Consul would know: one service with two instances. Save a change of this file
# while ctmpl runs with -catalog, and the output follows.

node { name = "node-1" address = "10.0.0.11" }
node { name = "node-2" address = "10.0.0.12" }

service { name = "web" id = "web-1" node = "node-1" port = 8080 tags = ["http"] }
service { name = "web" id = "web-2" node = "node-2" port = 8080 tags = ["http"] }
