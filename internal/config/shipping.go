// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// DestinationType names how a destination is spoken to.
type DestinationType string

// The types of destination.
const (
	ShipFile    DestinationType = "file"
	ShipSyslog  DestinationType = "syslog"
	ShipOTLP    DestinationType = "otlp"
	ShipWebhook DestinationType = "webhook"
)

// Destination is a receiver of the ledger's events.
type Destination struct {
	// Name stands for the destination in its cursor, in status and records.
	Name string          `yaml:"name"`
	Type DestinationType `yaml:"type"`
	// From is where a destination without a cursor begins: "beginning" or "now".
	From string `yaml:"from"`
	// BehindAfter is how long an event may wait before that goes on record.
	BehindAfter time.Duration `yaml:"behind_after"`
	// Batch is the most events that are sent at once.
	Batch int `yaml:"batch"`
	// File, Syslog, OTLP and Webhook hold what the type needs.
	File    *FileSink    `yaml:"file"`
	Syslog  *SyslogSink  `yaml:"syslog"`
	OTLP    *OTLPSink    `yaml:"otlp"`
	Webhook *WebhookSink `yaml:"webhook"`
}

func (d *Destination) setDefaults() {
	d.From = "beginning"
	d.BehindAfter = 5 * time.Minute
	d.Batch = 500
}

// FileSink is a directory of JSON lines.
type FileSink struct {
	Dir Path `yaml:"dir"`
	// MaxSize is the size of a file after which another is begun.
	MaxSize Bytes `yaml:"max_size"`
}

func (s *FileSink) setDefaults() { s.MaxSize = 64 << 20 }

// SyslogSink is a receiver of RFC 5424 messages over TLS.
type SyslogSink struct {
	Address string  `yaml:"address"`
	TLS     SinkTLS `yaml:"tls"`
	// MaxMessage bounds an event; a longer one loses texts.
	MaxMessage Bytes `yaml:"max_message"`
	// Resend is how many events are sent again on a new connection.
	Resend int `yaml:"resend"`
}

func (s *SyslogSink) setDefaults() { s.MaxMessage, s.Resend = 8<<10, 1000 }

// OTLPSink is a receiver of OTLP logs over HTTP.
type OTLPSink struct {
	URL     string       `yaml:"url"`
	TLS     SinkTLS      `yaml:"tls"`
	Headers []SinkHeader `yaml:"headers"`
}

// WebhookSink is a receiver of signed posts.
type WebhookSink struct {
	URL string  `yaml:"url"`
	TLS SinkTLS `yaml:"tls"`
	// Format is "json-lines" or "json-array".
	Format string `yaml:"format"`
	// Secrets sign each post; two while one takes the other's place.
	Secrets []SecretRef `yaml:"secrets"`
	// Ed25519 signs each post as well.
	Ed25519 SecretRef    `yaml:"ed25519"`
	Headers []SinkHeader `yaml:"headers"`
}

func (w *WebhookSink) setDefaults() { w.Format = "json-lines" }

// SinkTLS is the TLS towards a destination.
type SinkTLS struct {
	// CA holds the authorities in PEM; empty means the system's.
	CA Path `yaml:"ca"`
	// ServerName is the name in the certificate; empty means the address's host.
	ServerName string `yaml:"server_name"`
	// Cert and Key are the gateway's certificate for this destination.
	Cert Path `yaml:"cert"`
	Key  Path `yaml:"key"`
}

// SinkHeader is an HTTP header whose value is a secret.
type SinkHeader struct {
	Name  string    `yaml:"name"`
	Value SecretRef `yaml:"value"`
}

const (
	minShipMessage = 4 << 10
	minShipFile    = 64 << 10
	maxShipBatch   = 10_000
)

func (c *Config) validateShipping(f *findings) {
	names, dirs := map[string]bool{}, map[Path]bool{}
	for i, d := range c.Shipping {
		key := fmt.Sprintf("shipping[%d]", i)
		checkName(f, key+".name", d.Name)
		if names[d.Name] && d.Name != "" {
			f.add(key+".name", "%q is there already", clip(d.Name))
		}
		names[d.Name] = true
		if d.File != nil && d.File.Dir != "" {
			if dir := Path(filepath.Clean(string(d.File.Dir))); dirs[dir] {
				f.add(key+".file.dir", "is another destination's as well")
			} else {
				dirs[dir] = true
			}
		}
		d.validate(key, f)
	}
}

func (d Destination) validate(key string, f *findings) {
	oneOf(f, key+".type", string(d.Type), string(ShipFile), string(ShipSyslog), string(ShipOTLP), string(ShipWebhook))
	oneOf(f, key+".from", d.From, "beginning", "now")
	if d.BehindAfter < time.Second || d.BehindAfter > maxWait {
		f.add(key+".behind_after", "is %v; want %v to %v", d.BehindAfter, time.Second, maxWait)
	}
	if d.Batch < 1 || d.Batch > maxShipBatch {
		f.add(key+".batch", "is %d; want 1 to %d", d.Batch, maxShipBatch)
	}
	for _, s := range []struct {
		kind  DestinationType
		given bool
	}{{ShipFile, d.File != nil}, {ShipSyslog, d.Syslog != nil}, {ShipOTLP, d.OTLP != nil}, {ShipWebhook, d.Webhook != nil}} {
		switch {
		case s.kind == d.Type && !s.given:
			f.add(key+"."+string(s.kind), "is missing; the type %s needs it", s.kind)
		case s.kind != d.Type && s.given:
			f.add(key+"."+string(s.kind), "is not of the type %s", clip(string(d.Type)))
		}
	}
	if d.File != nil {
		d.File.validate(key+".file", f)
	}
	if d.Syslog != nil {
		d.Syslog.validate(key+".syslog", f)
	}
	if d.OTLP != nil {
		sinkURL(f, key+".otlp.url", d.OTLP.URL)
		d.OTLP.TLS.validate(key+".otlp.tls", f)
		sinkHeaders(f, key+".otlp.headers", d.OTLP.Headers)
	}
	if d.Webhook != nil {
		d.Webhook.validate(key+".webhook", f)
	}
}

func (s FileSink) validate(key string, f *findings) {
	if s.Dir == "" {
		f.add(key+".dir", "is missing")
	}
	if s.MaxSize < minShipFile {
		f.add(key+".max_size", "is %v; want at least %v", s.MaxSize, Bytes(minShipFile))
	}
}

func (s SyslogSink) validate(key string, f *findings) {
	if host, _ := hostPort(f, key+".address", s.Address); s.Address != "" && host == "" {
		f.add(key+".address", "names no host")
	}
	s.TLS.validate(key+".tls", f)
	if s.MaxMessage < minShipMessage || s.MaxMessage > maxMessage {
		f.add(key+".max_message", "is %v; want %v to %v", s.MaxMessage, Bytes(minShipMessage), Bytes(maxMessage))
	}
	if s.Resend < 0 || s.Resend > 100_000 {
		f.add(key+".resend", "is %d; want 0 to 100000", s.Resend)
	}
}

func (w WebhookSink) validate(key string, f *findings) {
	sinkURL(f, key+".url", w.URL)
	w.TLS.validate(key+".tls", f)
	oneOf(f, key+".format", w.Format, "json-lines", "json-array")
	switch {
	case len(w.Secrets) == 0 && w.Ed25519 == "":
		f.add(key+".secrets", `is missing; the receiver has to know who posts. Refer to one, as "file:webhook.secret"`)
	case len(w.Secrets) > 2:
		f.add(key+".secrets", "has %d; want one, or two while one takes the other's place", len(w.Secrets))
	}
	for i, s := range w.Secrets {
		if slices.Contains(w.Secrets[:i], s) {
			f.add(fmt.Sprintf("%s.secrets[%d]", key, i), "is listed twice")
		}
	}
	sinkHeaders(f, key+".headers", w.Headers)
}

func (t SinkTLS) validate(key string, f *findings) {
	if (t.Cert == "") != (t.Key == "") {
		f.add(key, "needs both cert and key for a client certificate, or none of them")
	}
}

// sinkURL wants https, or http on a loopback address. The problem never repeats
// the URL, which may hold a token.
func sinkURL(f *findings, key, text string) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		f.add(key, "is missing")
	case err != nil || u.Host == "" || u.Fragment != "":
		f.add(key, "is not a URL such as https://collector.example/v1/logs")
	case u.User != nil:
		f.add(key, "holds a password; give it as a header that refers to a secret")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		f.add(key, "is http, which is for a loopback address only; use https")
	case u.Scheme != "https" && u.Scheme != "http":
		f.add(key, "is not https")
	}
}

// headerForm is the form of a header's name.
var headerForm = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")

func sinkHeaders(f *findings, key string, headers []SinkHeader) {
	seen := map[string]bool{}
	for i, h := range headers {
		at := fmt.Sprintf("%s[%d]", key, i)
		name := strings.ToLower(h.Name)
		switch {
		case !headerForm.MatchString(h.Name):
			f.add(at+".name", "is not the name of a header")
		case seen[name]:
			f.add(at+".name", "%q is there already", clip(h.Name))
		case strings.HasPrefix(name, "content-"), strings.HasPrefix(name, "webhook-"), strings.HasPrefix(name, "sallyport-"), name == "host":
			f.add(at+".name", "%q is set by the gateway", clip(h.Name))
		}
		seen[name] = true
		if h.Value == "" {
			f.add(at+".value", `is missing; refer to it by "vault:NAME", "env:NAME" or "file:PATH"`)
		}
	}
}
