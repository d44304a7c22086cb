// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/config"
)

// TestConnect: the listener is off without an address, and wants TLS unless it is on
// the loopback; hosts are exact names.
func TestConnect(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		listen   config.Listener
		resource config.Resource
		want     string // what a problem begins with; "" for none of CONNECT
	}{
		"off":         {},
		"loopback":    {config.Listener{Address: "127.0.0.1:8490"}, config.Resource{Type: config.Warehouse, Connect: true}, ""},
		"everywhere":  {config.Listener{Address: "0.0.0.0:8490"}, config.Resource{Type: config.Warehouse, Connect: true}, "listen.connect.tls: needs both"},
		"half":        {config.Listener{Address: "127.0.0.1:8490", TLS: config.KeyPair{Cert: "a"}}, config.Resource{Type: config.Warehouse, Connect: true}, "listen.connect.tls: needs both"},
		"no host":     {config.Listener{Address: ":8490"}, config.Resource{Type: config.Warehouse, Connect: true}, "listen.connect.address: names no host"},
		"for nothing": {config.Listener{Address: "127.0.0.1:8490"}, config.Resource{Type: config.Warehouse}, "listen.connect.address: is there"},
		"no listener": {config.Listener{}, config.Resource{Type: config.CloudStorage, Connect: true}, "listen.connect.address: is missing"},
		"other type":  {config.Listener{Address: "127.0.0.1:8490"}, config.Resource{Type: config.Postgres, Connect: true}, "resources[0].connect: means nothing"},
		"hosts":       {config.Listener{}, config.Resource{Type: config.Warehouse, Hosts: []config.ConnectHost{{Host: "a.b", Paths: []string{"/"}}}}, "resources[0].hosts: means nothing"},
		"pattern": {config.Listener{Address: "127.0.0.1:8490"}, config.Resource{Type: config.Warehouse, Connect: true, Hosts: []config.ConnectHost{
			{Host: "*.storage.googleapis.com", Paths: []string{"/"}},
		}}, "resources[0].hosts[0].host: "},
		"path": {config.Listener{Address: "127.0.0.1:8490"}, config.Resource{Type: config.Warehouse, Connect: true, Hosts: []config.ConnectHost{
			{Host: "a.googleapis.com", Paths: []string{"/x/"}},
		}}, "resources[0].hosts[0].paths[0]: "},
		"method": {config.Listener{Address: "127.0.0.1:8490"}, config.Resource{Type: config.Warehouse, Connect: true, Hosts: []config.ConnectHost{
			{Host: "a.googleapis.com", Paths: []string{"/x"}, Methods: []string{"CONNECT"}},
		}}, "resources[0].hosts[0].methods[0]: "},
	} {
		cfg := config.Config{Listen: config.Listen{Connect: c.listen}, Resources: []config.Resource{c.resource}}
		var got []string
		for _, p := range cfg.Validate() {
			if strings.HasPrefix(p.Key, "listen.connect") || strings.HasPrefix(p.Key, "resources[0].connect") || strings.HasPrefix(p.Key, "resources[0].hosts") {
				got = append(got, p.Key+": "+p.Msg)
			}
		}
		if c.want == "" && len(got) > 0 || c.want != "" && !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, c.want) }) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
