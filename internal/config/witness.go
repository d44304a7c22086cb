// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// WitnessServer is the configuration of one witness (`sallyport witness`), a
// file of its own. A value from [LoadWitness] is valid.
type WitnessServer struct {
	// Version of the format; must be [Version].
	Version int `yaml:"version"`
	// Name is the name of the witness's key, such as "witness.example/w1".
	Name string `yaml:"name"`
	// Listen says where gateways connect.
	Listen WitnessListener `yaml:"listen"`
	// URL is where gateways find the witness, for the policy line that is printed;
	// empty means what Listen says.
	URL string `yaml:"url"`
	// Key is the file of the private key; `sallyport witness init` makes it.
	Key Path `yaml:"key"`
	// State is the directory of what the witness remembers.
	State Path `yaml:"state"`
	// Logs are the verifier keys of the ledgers to cosign. A witness without any
	// can have its key made, and not be run.
	Logs []string `yaml:"logs"`
}

// WitnessListener is the address of a witness. TLS may be left out on a loopback
// address only.
type WitnessListener struct {
	Address string   `yaml:"address"`
	TLS     *KeyPair `yaml:"tls"`
}

func (w *WitnessServer) setDefaults() {
	w.Listen.Address = "127.0.0.1:7380"
	w.Key, w.State = "witness.key", "state"
}

// LoadWitness reads and validates the file at path, as [Load] does.
func LoadWitness(path string) (*WitnessServer, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	w := &WitnessServer{}
	if err := parse(path, data, w, "docs/reference/witness.md"); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *WitnessServer) resolve(dir string) { resolveIn(reflect.ValueOf(w).Elem(), dir) }

// Validate returns everything that makes no sense in w, as of [Config.Validate].
func (w *WitnessServer) Validate() []Problem {
	var f findings
	if w.Version != Version {
		f.add("version", "is %d; this release reads version %d", w.Version, Version)
	}
	switch {
	case w.Name == "":
		f.add("name", `is missing; choose a name that no other witness has, such as "witness.example/w1"`)
	case len(w.Name) > 200 || strings.ContainsFunc(w.Name, func(r rune) bool { return r <= ' ' || r > '~' || r == '+' }):
		f.add("name", "is not a key's name; use printable ASCII without spaces and plus signs, at most 200 bytes")
	}
	host, _ := hostPort(&f, "listen.address", w.Listen.Address)
	switch t := w.Listen.TLS; {
	case w.Listen.Address != "" && host == "":
		f.add("listen.address", "names no host; write 127.0.0.1 for this machine alone or 0.0.0.0 for every interface")
	case t == nil && host != "?" && !isLoopback(host):
		f.add("listen.tls", "is missing; it may be left out on a loopback address only")
	case t != nil && (t.Cert == "" || t.Key == ""):
		f.add("listen.tls", "needs both cert and key")
	}
	if u, err := url.Parse(w.URL); w.URL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.ContainsAny(w.URL, " \t\n")) {
		f.add("url", "is not the URL of a server, such as https://witness.example")
	}
	if w.Key == "" {
		f.add("key", "is missing")
	}
	if w.State == "" {
		f.add("state", "is missing")
	}
	for i, vkey := range w.Logs {
		key := fmt.Sprintf("logs[%d]", i)
		if _, err := note.NewVerifier(vkey); err != nil {
			f.add(key, "is not a verifier key NAME+HASH+BASE64")
		}
		if slices.Contains(w.Logs[:i], vkey) {
			f.add(key, "is listed twice")
		}
	}
	return f
}
