// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"

	sallyport "github.com/sallyport-dev/sallyport"
)

const (
	minMessage = 64 << 10 // a token of 8 KiB with room around it
	maxMessage = 1 << 30  // PostgreSQL's own limit of one value
	maxWait    = 30 * 24 * time.Hour
)

// findings collects problems that know their key and not yet their line.
type findings []Problem

func (f *findings) add(key, format string, args ...any) {
	*f = append(*f, Problem{Key: key, Msg: fmt.Sprintf(format, args...)})
}

// Validate returns everything that makes no sense in c, each with its key and
// without a file or a line; [Parse] adds those.
func (c *Config) Validate() []Problem {
	var f findings
	if c.Version != Version {
		f.add("version", "is %d; this release reads version %d", c.Version, Version)
	}
	if c.Data == "" {
		f.add("data", "is missing")
	}
	c.validateOrigin(&f)
	c.Listen.API.validate("listen.api", &f)
	c.validatePostgresListener(&f)
	c.validateHTTPListener(&f)
	c.validateConnect(&f)
	c.validateSSHListener(&f)
	c.Ledger.validate(&f)
	c.validateAuditors(&f)
	for _, err := range c.Identity.Validate() {
		// They are of the form "key: message".
		key, msg, _ := strings.Cut(err.Error(), ": ")
		f.add("identity."+key, "%s", msg)
	}
	c.validatePolicy(&f)
	c.validateRoles(&f)
	c.validateIdentities(&f)
	members(&f, "api.auditors", c.API.Auditors)
	members(&f, "api.administrators", c.API.Administrators)
	members(&f, "api.privacy", c.API.Privacy)
	c.Requests.validate(&f)
	c.validateResources(&f)
	c.validateDisclosures(&f)
	if c.Recording.MaxResponse <= 0 {
		f.add("recording.max_response", "is %v; a recording that keeps no answer is no evidence", c.Recording.MaxResponse)
	}
	c.validateShipping(&f)
	if c.Vault.Key == "" {
		f.add("vault.key", `is missing; name a master key, such as "file:vault.key"`)
	}
	c.Witness.validate(&f)
	c.validateRetention(&f)
	oneOf(&f, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf(&f, "log.format", c.Log.Format, "text", "json")
	return f
}

// HasPostgres reports whether a resource speaks PostgreSQL's protocol, so that its listener
// is opened.
func (c *Config) HasPostgres() bool {
	return slices.ContainsFunc(c.Resources, func(r Resource) bool { return !r.OverHTTP() && r.Type != Machine })
}

func (c *Config) validatePostgresListener(f *findings) {
	if c.HasPostgres() {
		c.Listen.Postgres.validate("listen.postgres", f)
		c.distinct(f, "listen.postgres", c.Listen.Postgres.Address)
	}
}

// distinct reports an address that a listener before this one in the list has as well.
func (c *Config) distinct(f *findings, name, address string) {
	for _, other := range []struct {
		name, address string
		opened        bool
	}{
		{"listen.api", c.Listen.API.Address, true},
		{"listen.postgres", c.Listen.Postgres.Address, c.HasPostgres()},
		{"listen.http", c.Listen.HTTP.Address, c.HasHTTP()},
	} {
		if other.name == name {
			return
		}
		if other.opened && address != "" && address == other.address && !strings.HasSuffix(address, ":0") {
			f.add(name+".address", "is the address of %s as well", other.name)
		}
	}
}

// validateIntent refuses a mode that a resource's type has not: it would be taken for one
// that holds.
func (r Resource) validateIntent(key string, f *findings) {
	oneOf(f, key+".intent", string(r.Intent), string(BeforeForward), string(BeforeRelease))
	if r.Intent == BeforeRelease && r.Type != Postgres && r.Type != Cluster {
		f.add(key+".intent", "is before-release, which resources of type %s have not; leave it out", clip(string(r.Type)))
	}
}

// validateOrigin follows C2SP signed-note: a key name is not empty and has
// neither spaces nor a plus.
func (c *Config) validateOrigin(f *findings) {
	switch {
	case c.Origin == "":
		f.add("origin", `is missing; choose a name that no other gateway has, such as "sallyport.example/gw1"`)
	case len(c.Origin) > 200:
		f.add("origin", "is longer than 200 bytes")
	case strings.ContainsFunc(c.Origin, func(r rune) bool { return r <= ' ' || r > '~' || r == '+' }):
		f.add("origin", "has a character that a checkpoint's first line cannot have; use printable ASCII without spaces and plus signs")
	}
}

func (l Listener) validate(key string, f *findings) {
	host, _ := hostPort(f, key+".address", l.Address)
	if l.Address != "" && host == "" {
		f.add(key+".address", `names no host; write 127.0.0.1 for this machine alone or 0.0.0.0 for every interface`)
	}
	if l.TLS.Cert == "" || l.TLS.Key == "" {
		f.add(key+".tls", "needs both cert and key: clients send tokens over this connection")
	}
}

// hostPort splits an address and reports one that is none.
func hostPort(f *findings, key, address string) (host, port string) {
	if address == "" {
		f.add(key, "is missing")
		return "", ""
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		f.add(key, "%q is not host:port", clip(address))
		return "?", ""
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		f.add(key, "%q is not a port from 0 to 65535", clip(port))
	}
	return host, port
}

func (c *Config) validateAuditors(f *findings) {
	if len(c.Auditors) == 0 {
		f.add("auditors", "name at least one age recipient (age-keygen makes one): exact statement texts are kept only sealed to the auditors")
	}
	for i, a := range c.Auditors {
		key := fmt.Sprintf("auditors[%d]", i)
		if strings.HasPrefix(strings.ToUpper(a), "AGE-SECRET-KEY-") {
			f.add(key, "is a secret key; give the recipient that goes with it (age-keygen -y), and take the key for disclosed")
			continue
		}
		if r, err := age.ParseRecipients(strings.NewReader(a)); err != nil || len(r) != 1 {
			f.add(key, `is not an age recipient ("age1…")`)
		}
		if slices.Contains(c.Auditors[:i], a) {
			f.add(key, "is listed twice")
		}
	}
}

func (c *Config) validatePolicy(f *findings) {
	if len(c.Policy.Files) == 0 {
		f.add("policy.files", `is missing; without policies everything is denied. Name a pattern such as "policies/*.cedar"`)
	}
	for i, p := range c.Policy.Files {
		key := fmt.Sprintf("policy.files[%d]", i)
		if p == "" {
			f.add(key, "is empty")
		} else if _, err := filepath.Match(string(p), ""); err != nil {
			f.add(key, "%q is not a file pattern", clip(string(p)))
		}
	}
	if d := c.Policy.Reload; d < 0 || d > 0 && d < 100*time.Millisecond {
		f.add("policy.reload", "is %v; want 0 (never) or at least 100ms", d)
	}
}

// nameForm is the form of a resource's and a role's name: it becomes a Cedar entity
// and, for a resource, the database name that clients give.
var nameForm = regexp.MustCompile(`^[a-z]([a-z0-9_-]{0,61}[a-z0-9])?$`)

func checkName(f *findings, key, s string) {
	switch {
	case s == "":
		f.add(key, "is missing")
	case !nameForm.MatchString(s):
		f.add(key, "%q is not a name: at most 63 lower-case letters, digits, - and _, a letter first and no - or _ last", clip(s))
	}
}

func (c *Config) validateRoles(f *findings) {
	known := make(map[sallyport.ResourceID]bool)
	for _, r := range c.Resources {
		known[r.Name] = true
	}
	seen := make(map[sallyport.RoleID]bool)
	for i, r := range c.Roles {
		key := fmt.Sprintf("roles[%d]", i)
		checkName(f, key+".name", string(r.Name))
		if seen[r.Name] {
			f.add(key+".name", "%q is there already; put all its members into one entry", clip(string(r.Name)))
		}
		seen[r.Name] = true
		if len(r.Resources) == 0 {
			f.add(key+".resources", "is missing; a role is held on resources")
		}
		for j, id := range r.Resources {
			if !known[id] {
				f.add(fmt.Sprintf("%s.resources[%d]", key, j), "there is no resource %q", clip(string(id)))
			}
		}
		for j, id := range r.Resources {
			if c.lacksIdentity(id, r.Name) {
				f.add(fmt.Sprintf("%s.resources[%d]", key, j), "%q is in native mode and has no service account for the role; add it to bigquery.native.roles", clip(string(id)))
			}
		}
		if len(r.Members) == 0 {
			f.add(key+".members", "is missing; nobody could hold the role")
		}
		members(f, key+".members", r.Members)
	}
}

// lacksIdentity reports whether a role reaches nothing at a resource in native mode.
func (c *Config) lacksIdentity(id sallyport.ResourceID, role sallyport.RoleID) bool {
	return slices.ContainsFunc(c.Resources, func(r Resource) bool {
		return r.Name == id && r.Type == Warehouse && r.BigQuery != nil && r.BigQuery.Mode == "native" &&
			!slices.ContainsFunc(r.BigQuery.Native.Roles, func(n NativeRole) bool { return n.Role == role })
	})
}

// members checks a list of "group:NAME" and "principal:ID".
func members(f *findings, key string, list []string) {
	for j, m := range list {
		kind, id, ok := strings.Cut(m, ":")
		if !ok || id == "" || kind != "group" && kind != "principal" {
			f.add(fmt.Sprintf("%s[%d]", key, j), `%q is neither "group:NAME" nor "principal:ID"`, clip(m))
		}
	}
}

func (r Requests) validate(f *findings) {
	within := func(key string, d, low, high time.Duration) {
		if d < low || d > high {
			f.add("requests."+key, "is %v; want %v to %v", d, low, high)
		}
	}
	within("wait", r.Wait, 0, maxWait)
	within("expires", r.Expires, time.Second, maxWait)
	within("window", r.Window, time.Second, maxWait)
	within("hold_wait", r.HoldWait, 0, maxWait)
	within("hold_wait_in_transaction", r.HoldWaitInTransaction, 0, maxWait)
	if r.Wait > r.Expires && r.Expires > 0 {
		f.add("requests.wait", "is %v, longer than the life of a request (requests.expires, %v)", r.Wait, r.Expires)
	}
	if r.HoldWaitInTransaction > r.HoldWait {
		f.add("requests.hold_wait_in_transaction", "is %v, longer than hold_wait (%v); a transaction keeps its locks while it waits", r.HoldWaitInTransaction, r.HoldWait)
	}
}

func (w Witness) validate(f *findings) {
	within := func(key string, d, low, high time.Duration) {
		if d < low || d > high {
			f.add("witness."+key, "is %v; want %v to %v", d, low, high)
		}
	}
	within("lease", w.Lease, time.Second, time.Hour)
	within("interval", w.Interval, 100*time.Millisecond, time.Hour)
	within("timeout", w.Timeout, 100*time.Millisecond, time.Minute)
	if w.Lease >= time.Second && w.Interval+w.Timeout > w.Lease {
		f.add("witness.lease", "is %v, shorter than interval and timeout together (%v); it would end between two rounds", w.Lease, w.Interval+w.Timeout)
	}
	if w.Policy == "" && w.CA != "" {
		f.add("witness.policy", "is missing; without it no witness is asked and ca means nothing")
	}
}

func (c *Config) validateResources(f *findings) {
	if len(c.Resources) == 0 {
		f.add("resources", "is missing; there is nothing to connect to")
	}
	seen := make(map[sallyport.ResourceID]bool)
	for i, r := range c.Resources {
		key := fmt.Sprintf("resources[%d]", i)
		checkName(f, key+".name", string(r.Name))
		if seen[r.Name] && r.Name != "" {
			f.add(key+".name", "%q is there already", clip(string(r.Name)))
		}
		seen[r.Name] = true
		r.validate(key, f)
	}
}

func (r Resource) validate(key string, f *findings) {
	oneOf(f, key+".type", string(r.Type), string(Postgres), string(HTTPAPI), string(CloudStorage), string(Warehouse), string(Cluster), string(Machine))
	if r.HTTP != nil && r.Type != HTTPAPI {
		f.add(key+".http", "is for resources of type http")
	}
	if r.GCS != nil && r.Type != CloudStorage {
		f.add(key+".gcs", "is for resources of type gcs")
	}
	if r.BigQuery != nil && r.Type != Warehouse {
		f.add(key+".bigquery", "is for resources of type bigquery")
	}
	if r.Kubernetes != nil && r.Type != Cluster {
		f.add(key+".kubernetes", "is for resources of type kubernetes")
	}
	if r.SSH != nil && r.Type != Machine {
		f.add(key+".ssh", "is for resources of type ssh")
	}
	r.validateConnect(key, f)
	r.validateIntent(key, f)
	if r.Type == Machine {
		r.validateSSH(key, f)
		return
	}
	if r.OverHTTP() {
		r.validateOverHTTP(key, f)
		return
	}
	host, _ := hostPort(f, key+".address", r.Address)
	if r.Address != "" && host == "" {
		f.add(key+".address", "names no host")
	}
	if r.Database == "" {
		f.add(key+".database", "is missing")
	}
	oneOf(f, key+".tls.mode", string(r.TLS.Mode), string(VerifyFull), string(InsecurePlaintext))
	if r.TLS.Mode == InsecurePlaintext {
		if !isLoopback(host) {
			f.add(key+".tls.mode", "insecure-plaintext is for targets on a loopback address; %q is none", clip(host))
		}
		if r.TLS.CA != "" || r.TLS.ServerName != "" {
			f.add(key+".tls", "ca and server_name mean nothing without TLS")
		}
	}
	r.Credential.validate(key+".credential", f)
	if r.Analyser != nil {
		r.Analyser.validate(key+".analyser", f)
		if r.Analyser.Username == r.Credential.Username {
			f.add(key+".analyser.username", "is the credential's; the analyser needs a role of its own, without rights to data")
		}
	}
	oneOf(f, key+".lineage", string(r.Lineage), string(LineageAuto), string(LineageInBand), string(LineagePreflight))
	if r.Lineage == LineagePreflight && r.Analyser == nil {
		f.add(key+".analyser", "is missing; preflight lineage needs it")
	}
	r.Limits.validate(key+".limits", f)
}

func (c Credential) validate(key string, f *findings) {
	if c.Username == "" {
		f.add(key+".username", "is missing")
	}
	if c.Password == "" {
		f.add(key+".password", `is missing; refer to it by "vault:NAME", "env:NAME" or "file:PATH"`)
	}
}

func (l Limits) validate(key string, f *findings) {
	if l.Sessions < 1 || l.Sessions > 100_000 {
		f.add(key+".sessions", "is %d; want 1 to 100000", l.Sessions)
	}
	if l.Idle < 0 {
		f.add(key+".idle", "is negative")
	}
	if l.MaxSession <= 0 {
		f.add(key+".max_session", "is %v; every session has to end", l.MaxSession)
	}
	if l.MaxMessage < minMessage || l.MaxMessage > maxMessage {
		f.add(key+".max_message", "is %v; want %v to %v", l.MaxMessage, Bytes(minMessage), Bytes(maxMessage))
	}
}

func oneOf(f *findings, key, got string, want ...string) {
	switch {
	case slices.Contains(want, got):
	case got == "":
		f.add(key, "is missing; want %s", strings.Join(want, ", "))
	default:
		f.add(key, "%q is not one of %s", clip(got), strings.Join(want, ", "))
	}
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
