// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/httpgate/connect"
)

// ConnectHost is a host that reaches a resource through listen.connect.
type ConnectHost struct {
	// Host is its exact name.
	Host string `yaml:"host"`
	// Paths are what paths there begin with, in whole segments; "/" is all.
	Paths []string `yaml:"paths"`
	// Methods are those of HTTP; none means all.
	Methods []string `yaml:"methods"`
}

func (c *Config) validateConnect(f *findings) {
	l := c.Listen.Connect
	wanted := slices.ContainsFunc(c.Resources, func(r Resource) bool { return r.Connect })
	switch {
	case l.Address == "" && (l.TLS.Cert != "" || l.TLS.Key != ""):
		f.add("listen.connect.address", "is missing")
	case l.Address == "" && wanted:
		f.add("listen.connect.address", "is missing; a resource has connect set")
	case l.Address == "":
	case !wanted:
		f.add("listen.connect.address", "is there, but no resource has connect set")
	default:
		c.validateConnectListener(f)
	}
}

func (c *Config) validateConnectListener(f *findings) {
	l := c.Listen.Connect
	host, _ := hostPort(f, "listen.connect.address", l.Address)
	switch {
	case host == "":
		f.add("listen.connect.address", "names no host; write 127.0.0.1 for this machine alone or 0.0.0.0 for every interface")
	case (l.TLS.Cert == "") != (l.TLS.Key == ""):
		f.add("listen.connect.tls", "needs both cert and key, or neither")
	case l.TLS.Cert == "" && host != "?" && !isLoopback(host):
		f.add("listen.connect.tls", "needs both cert and key: clients send tokens over this connection, and only on a loopback address without TLS")
	}
	c.distinct(f, "listen.connect", l.Address)
}

func (r Resource) validateConnect(key string, f *findings) {
	if r.Connect && r.Type != Warehouse && r.Type != CloudStorage {
		f.add(key+".connect", "means nothing for a resource of type %s", clip(string(r.Type)))
	}
	if len(r.Hosts) > 0 && !r.Connect {
		f.add(key+".hosts", "means nothing without connect: true")
	}
	for i, h := range r.Hosts {
		at := fmt.Sprintf("%s.hosts[%d]", key, i)
		if !connect.ValidHost(h.Host) {
			f.add(at+".host", "%q is no exact name of a host in lower case", clip(h.Host))
		}
		if len(h.Paths) == 0 {
			f.add(at+".paths", `is missing; "/" is every path`)
		}
		for j, p := range h.Paths {
			if !strings.HasPrefix(p, "/") || strings.ContainsAny(p, "?#") || p != "/" && strings.HasSuffix(p, "/") {
				f.add(fmt.Sprintf("%s.paths[%d]", at, j), "is no beginning of a path in whole segments, such as /storage/v1")
			}
		}
		for j, m := range h.Methods {
			oneOf(f, fmt.Sprintf("%s.methods[%d]", at, j), m, "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
		}
	}
}
