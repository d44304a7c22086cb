// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Limits that the configuration may lower and never raise.
const (
	// MaxTokenLifetime is the longest life of a gateway token.
	MaxTokenLifetime = 15 * time.Minute
	// MaxSkew is the largest tolerated difference between an issuer's clock and
	// the gateway's.
	MaxSkew = 60 * time.Second
	// MaxLoginLifetime is the longest life (exp - iat) that an issuer's
	// max_lifetime may allow.
	MaxLoginLifetime = 24 * time.Hour
)

const (
	defaultSkew          = 30 * time.Second
	defaultLoginLifetime = time.Hour
	defaultRefresh       = 10 * time.Minute
	defaultStale         = 24 * time.Hour
)

// Config says whom the gateway believes about identities.
type Config struct {
	Issuers []Issuer `yaml:"issuers"`
	// Keys are those that workloads sign logins of their own with.
	Keys []Key `yaml:"keys"`
	// TokenURLs are the URLs of the gateway's token endpoint, as clients reach it,
	// that a key's assertion may be made out to; empty means the one it was sent to.
	TokenURLs []string    `yaml:"token_urls"`
	Tokens    TokenConfig `yaml:"tokens"`
}

// TokenConfig governs the gateway's own tokens.
type TokenConfig struct {
	// Lifetime of a gateway token; 0 means [MaxTokenLifetime]. A token also ends
	// with the login it was exchanged for and with its grant.
	Lifetime time.Duration `yaml:"lifetime"`
	// MaxPerPrincipal bounds the live tokens of one principal; 0 means 1000.
	MaxPerPrincipal int `yaml:"max_per_principal"`
}

// Issuer is an OpenID Connect provider, or any issuer of JSON Web Tokens that
// publishes its keys in the same way.
type Issuer struct {
	// Name stands for the issuer in messages, logs and records.
	Name string `yaml:"name"`
	// URL is compared with the "iss" claim byte for byte; a trailing slash counts.
	URL string `yaml:"url"`
	// Audiences that a token may be made out to; the gateway's own names.
	Audiences []string `yaml:"audiences"`
	// AuthorizedParties, when set, must hold the token's "azp" claim.
	AuthorizedParties []string `yaml:"authorized_parties"`
	// Algorithms that the issuer may sign with (RFC 7518 section 3.1). None is
	// implied: "none" and the HMAC family cannot be listed.
	Algorithms []string `yaml:"algorithms"`
	// TokenTypes lists the accepted "typ" headers; empty means JWT and at+jwt.
	// The empty string accepts a token without the header, as the Kubernetes API
	// server makes them.
	TokenTypes []string `yaml:"token_types"`
	// MaxLifetime is the longest exp - iat; 0 means 1 h.
	MaxLifetime time.Duration `yaml:"max_lifetime"`
	// Skew is the tolerated clock difference; nil means 30 s, at most [MaxSkew].
	Skew *time.Duration `yaml:"skew"`
	Keys Keys           `yaml:"keys"`
	// CAFile holds the PEM certificates that the issuer's TLS certificate must
	// chain to; empty means the system's.
	CAFile string `yaml:"ca_file"`
	// AllowLoopbackHTTP permits plain http for an issuer on a loopback address,
	// for tests and demonstrations.
	AllowLoopbackHTTP bool `yaml:"allow_loopback_http"`
	// Map is tried in order; the first rule whose conditions hold names the
	// principal. A token that no rule matches is refused.
	Map []Rule `yaml:"map"`
}

// Keys says how an issuer's keys are kept.
type Keys struct {
	// Refresh is the age at which keys are fetched again; 0 means 10 m. A key
	// that the issuer withdrew stays valid for at most this long.
	Refresh time.Duration `yaml:"refresh"`
	// Stale is the age up to which the last good keys serve while the issuer
	// cannot be reached; 0 means 24 h. Logins in that time are marked.
	Stale time.Duration `yaml:"stale"`
	// File holds a JWK set that an operator put in place, for an issuer that
	// the gateway cannot reach. Nothing is fetched then; the file is read again
	// at the same pace.
	File string `yaml:"file"`
}

// Rule maps the tokens whose claims meet its conditions to a principal.
//
// A claim is named by its name at the top level, or, when the reference begins
// with a slash, by a JSON Pointer (RFC 6901) such as
// "/kubernetes.io/serviceaccount/name". Strings, integers and booleans can be
// referred to; anything else is as if it were missing.
type Rule struct {
	// When lists conditions that must all hold: the claim is equal to the value,
	// or to one of the values. An empty list matches every token of the issuer.
	When map[string]Values `yaml:"when"`
	// Principal is the template of the principal's id: "ci:{repository}".
	Principal string                  `yaml:"principal"`
	Kind      sallyport.PrincipalKind `yaml:"kind"`
	// Groups that every principal of this rule is in.
	Groups []string `yaml:"groups"`
	// GroupsClaim names a claim that lists further groups. Without it no group
	// is ever taken from a token.
	GroupsClaim string `yaml:"groups_claim"`
	// Attributes lists the claims that become attributes of the principal, under
	// the claim's name (the last segment of a pointer). A missing one is left out.
	Attributes []string `yaml:"attributes"`
}

// Values is one string or a list of strings; YAML may write either.
type Values []string

// UnmarshalYAML accepts a scalar or a sequence of scalars.
func (v *Values) UnmarshalYAML(decode func(any) error) error {
	var one string
	if err := decode(&one); err == nil {
		*v = Values{one}
		return nil
	}
	var many []string
	if err := decode(&many); err != nil {
		return fmt.Errorf("want a value or a list of values: %w", err)
	}
	*v = many
	return nil
}

// Validate returns every problem of the configuration, in order, each one with
// the path of the key it is about.
func (c Config) Validate() []error {
	var p problems
	if len(c.Issuers) == 0 && len(c.Keys) == 0 {
		p.add("issuers", "no issuer is configured, so nobody could log in")
	}
	names, urls := map[string]bool{}, map[string]bool{}
	for i, is := range c.Issuers {
		at := fmt.Sprintf("issuers[%d]", i)
		if is.Name == "" {
			p.add(at+".name", "missing")
		} else if names[is.Name] {
			p.add(at+".name", "%q is used twice", is.Name)
		}
		if urls[is.URL] {
			p.add(at+".url", "%q is used twice; one issuer's rules belong under one entry", is.URL)
		}
		names[is.Name], urls[is.URL] = true, true
		is.validate(at, &p)
	}
	validateApart(c.Issuers, &p)
	validateKeys(c, &p)
	if d := c.Tokens.Lifetime; d < 0 || d > MaxTokenLifetime {
		p.add("tokens.lifetime", "%v is outside 0 to %v", d, MaxTokenLifetime)
	}
	if c.Tokens.MaxPerPrincipal < 0 {
		p.add("tokens.max_per_principal", "is negative")
	}
	return p
}

type problems []error

func (p *problems) add(path, format string, args ...any) {
	*p = append(*p, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

func (is Issuer) validate(at string, p *problems) {
	if err := checkURL(is.URL, is.AllowLoopbackHTTP); err != nil {
		p.add(at+".url", "%v", err)
	}
	if len(is.Audiences) == 0 || slices.Contains(is.Audiences, "") {
		p.add(at+".audiences", "name at least one audience and no empty one; tokens made out to others must not open this gateway")
	}
	if len(is.Algorithms) == 0 {
		p.add(at+".algorithms", "missing; name the algorithms that the issuer signs with, such as [RS256]")
	}
	for _, a := range is.Algorithms {
		if _, ok := algorithmOf(a); !ok {
			p.add(at+".algorithms", "%q is not one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA", a)
		}
	}
	if d := is.MaxLifetime; d < 0 || d > MaxLoginLifetime {
		p.add(at+".max_lifetime", "%v is outside 0 to %v", d, MaxLoginLifetime)
	}
	if is.Skew != nil && (*is.Skew < 0 || *is.Skew > MaxSkew) {
		p.add(at+".skew", "%v is outside 0 to %v", *is.Skew, MaxSkew)
	}
	if is.Keys.Refresh < 0 || is.Keys.Stale < 0 {
		p.add(at+".keys", "a duration is negative")
	} else if is.stale() < is.refresh() {
		p.add(at+".keys.stale", "%v is shorter than refresh, %v", is.stale(), is.refresh())
	}
	if len(is.Map) == 0 {
		p.add(at+".map", "no rule, so every token of this issuer would be refused")
	}
	for i, r := range is.Map {
		r.validate(fmt.Sprintf("%s.map[%d]", at, i), p)
	}
}

func (r Rule) validate(at string, p *problems) {
	t, err := parseTemplate(r.Principal)
	if err != nil {
		p.add(at+".principal", "%v", err)
	}
	if !r.Kind.Valid() {
		p.add(at+".kind", "%q is not one of service-account, ci-job, ai-agent, human", r.Kind)
	}
	if err == nil && len(r.When) == 0 && t.constant() {
		p.add(at, "every token of the issuer would be the same principal; add a condition or a claim to the template")
	}
	for ref, vs := range r.When {
		if err := checkRef(ref); err != nil {
			p.add(at+".when", "%v", err)
		}
		if len(vs) == 0 {
			p.add(at+".when", "claim %q has no value to be equal to", ref)
		}
	}
	for _, g := range r.Groups {
		if err := checkText(g); err != nil {
			p.add(at+".groups", "%q %v", g, err)
		}
	}
	if r.GroupsClaim != "" {
		if err := checkRef(r.GroupsClaim); err != nil {
			p.add(at+".groups_claim", "%v", err)
		}
	}
	seen := map[string]bool{}
	for _, a := range r.Attributes {
		if err := checkRef(a); err != nil {
			p.add(at+".attributes", "%v", err)
			continue
		}
		if n := refName(a); seen[n] {
			p.add(at+".attributes", "two claims would become the attribute %q", n)
		} else {
			seen[n] = true
		}
	}
}

// validateApart refuses rules by which two issuers could assert the same
// principal, since one of them could then speak for the other's workloads.
func validateApart(issuers []Issuer, p *problems) {
	for i, a := range issuers {
		for j, b := range issuers[:i] {
			for k, ra := range a.Map {
				for l, rb := range b.Map {
					ta, errA := parseTemplate(ra.Principal)
					tb, errB := parseTemplate(rb.Principal)
					if errA == nil && errB == nil && ta.mayEqual(tb) {
						p.add(fmt.Sprintf("issuers[%d].map[%d].principal", i, k),
							"%q can name the same principal as issuers[%d].map[%d], %q; give each issuer a prefix of its own", ra.Principal, j, l, rb.Principal)
					}
				}
			}
		}
	}
}

// checkURL wants an absolute https URL without the parts that an issuer
// identifier cannot have (OpenID Connect Discovery 1.0 section 3).
func checkURL(raw string, allowLoopback bool) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return fmt.Errorf("%q is not an absolute URL", raw)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery {
		return fmt.Errorf("%q has a part that an issuer's URL cannot have (user, query or fragment)", u.Redacted())
	}
	switch {
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && allowLoopback && isLoopback(u.Hostname()):
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return fmt.Errorf("%q is plain http; set allow_loopback_http if this is a test", raw)
	}
	return fmt.Errorf("%q is not https", raw)
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

func (is Issuer) refresh() time.Duration { return orDefault(is.Keys.Refresh, defaultRefresh) }

func (is Issuer) stale() time.Duration { return orDefault(is.Keys.Stale, defaultStale) }

func (is Issuer) maxLifetime() time.Duration { return orDefault(is.MaxLifetime, defaultLoginLifetime) }

func (is Issuer) skew() time.Duration {
	if is.Skew == nil {
		return defaultSkew
	}
	return *is.Skew
}

func (is Issuer) tokenTypes() []string {
	if len(is.TokenTypes) == 0 {
		return []string{"JWT", "at+jwt"}
	}
	return is.TokenTypes
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}
