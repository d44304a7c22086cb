// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	sallyport "github.com/sallyport-dev/sallyport"
)

// MethodKey is the method of authentication by the assertion of a [Key], as
// records name it.
const MethodKey = "key"

// KeySubject is the issuer of the subject of whoever logs in with a key: the
// gateway's own configuration. It is no URL, so no issuer can have it.
const KeySubject = "urn:sallyport:key"

// Key is the public half of a key that a workload signs its logins with (RFC
// 7523), for clients that know nothing but key files of service accounts. The
// gateway never has the other half.
type Key struct {
	// ID is the "kid" of what the key signs.
	ID string `yaml:"id"`
	// Principal is who signs with it. Several keys may be one principal's, so that
	// one can take another's place.
	Principal  sallyport.PrincipalID   `yaml:"principal"`
	Kind       sallyport.PrincipalKind `yaml:"kind"`
	Groups     []string                `yaml:"groups"`
	Attributes map[string]string       `yaml:"attributes"`
	// PublicKey is the key in PEM ("PUBLIC KEY"), or the file that holds it: RSA
	// from 2048 bits, EC on P-256, or Ed25519.
	PublicKey string `yaml:"public_key"`
	// Expires is the day (UTC) or the instant from which on the key is refused;
	// empty means never.
	Expires string `yaml:"expires"`
}

const (
	maxKeyFile   = 16 << 10
	maxKeyID     = 64
	maxTokenURL  = 2048
	pemPublicKey = "PUBLIC KEY"
	pemBegin     = "-----BEGIN "
)

// keyAlgorithms are the algorithms of assertions, one for each kind of key.
func keyAlgorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}
}

// Inline reports whether the public key stands in the configuration itself.
func (k Key) Inline() bool { return strings.HasPrefix(k.PublicKey, pemBegin) }

// end is when the key ends; the zero time means never.
func (k Key) end() (time.Time, error) {
	if k.Expires == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(form, k.Expires); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("want a day such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z")
}

func validateKeys(c Config, p *problems) {
	ids := map[string]bool{}
	for i, k := range c.Keys {
		at := fmt.Sprintf("keys[%d]", i)
		k.validate(at, p)
		if ids[k.ID] {
			p.add(at+".id", "%q is used twice", k.ID)
		}
		ids[k.ID] = true
		k.validateApart(at, c, i, p)
	}
	for i, u := range c.TokenURLs {
		at := fmt.Sprintf("token_urls[%d]", i)
		if len(u) > maxTokenURL {
			p.add(at, "is longer than %d bytes", maxTokenURL)
		} else if err := checkURL(u, true); err != nil {
			p.add(at, "%v", err)
		}
	}
}

func (k Key) validate(at string, p *problems) {
	if !isKeyID(k.ID) {
		p.add(at+".id", "want at most %d letters, digits, dots, - and _, a letter or digit first", maxKeyID)
	}
	if err := checkText(string(k.Principal)); err != nil || strings.ContainsAny(string(k.Principal), "{}") {
		p.add(at+".principal", "want a name without braces, of at most %d bytes", maxText)
	}
	if !k.Kind.Valid() {
		p.add(at+".kind", "%q is not one of service-account, ci-job, ai-agent, human", k.Kind)
	}
	for _, g := range k.Groups {
		if err := checkText(g); err != nil {
			p.add(at+".groups", "%q %v", g, err)
		}
	}
	for name, value := range k.Attributes {
		if checkText(name) != nil || checkText(value) != nil {
			p.add(at+".attributes", "a name or a value is empty, too long or has a control character")
		}
	}
	if k.PublicKey == "" {
		p.add(at+".public_key", "missing; make a key with: sallyport identity new-key")
	}
	if _, err := k.end(); err != nil {
		p.add(at+".expires", "%v", err)
	}
}

// validateApart refuses a key whose principal an issuer could assert too, and
// two keys of one principal that make different things of it.
func (k Key) validateApart(at string, c Config, i int, p *problems) {
	own := template{literals: []string{string(k.Principal)}}
	for j, is := range c.Issuers {
		for l, r := range is.Map {
			if t, err := parseTemplate(r.Principal); err == nil && t.mayEqual(own) {
				p.add(at+".principal", "issuers[%d].map[%d], %q, can name the same principal; give keys a prefix of their own", j, l, r.Principal)
			}
		}
	}
	for j, o := range c.Keys[:i] {
		if o.Principal == k.Principal && (o.Kind != k.Kind || !slices.Equal(sorted(o.Groups), sorted(k.Groups))) {
			p.add(at+".principal", "keys[%d] has the same principal with another kind or other groups", j)
		}
	}
}

func isKeyID(s string) bool {
	if s == "" || len(s) > maxKeyID {
		return false
	}
	for i := range len(s) {
		c := s[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || c != '.' && c != '-' && c != '_') {
			return false
		}
	}
	return true
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return slices.Compact(s)
}

// signingKey is a [Key] that was read.
type signingKey struct {
	Key
	public crypto.PublicKey
	alg    jose.SignatureAlgorithm
	ends   time.Time // zero means never
}

func newSigningKey(k Key) (*signingKey, error) {
	raw := []byte(k.PublicKey)
	if !k.Inline() {
		var err error
		if raw, err = readKeyFile(k.PublicKey); err != nil {
			return nil, err
		}
	}
	s := &signingKey{Key: k}
	s.Groups = sorted(k.Groups)
	var err error
	if s.public, s.alg, err = parsePublicKey(raw); err != nil {
		return nil, err
	}
	s.ends, err = k.end()
	return s, err
}

func readKeyFile(path string) (b []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b, err = io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if len(b) > maxKeyFile {
		return nil, fmt.Errorf("the file is larger than %d bytes", maxKeyFile)
	}
	return b, nil
}

// parsePublicKey reads one public key in PEM and says which algorithm it is for.
func parsePublicKey(raw []byte) (crypto.PublicKey, jose.SignatureAlgorithm, error) {
	if len(raw) > maxKeyFile {
		return nil, "", fmt.Errorf("the key is larger than %d bytes", maxKeyFile)
	}
	block, rest := pem.Decode(raw)
	switch {
	case block == nil:
		return nil, "", errors.New("this is no PEM")
	case block.Type != pemPublicKey:
		return nil, "", fmt.Errorf("the PEM holds something other than a %q", pemPublicKey)
	case len(strings.TrimSpace(string(rest))) > 0:
		return nil, "", errors.New("there is something behind the key")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, "", errors.New("the public key is malformed")
	}
	k := jose.JSONWebKey{Key: public}
	if err := checkKey(k); err != nil {
		return nil, "", err
	}
	for _, alg := range keyAlgorithms() {
		if fits(k, alg) {
			return public, alg, nil
		}
	}
	return nil, "", errors.New("the key is not RSA, EC on P-256 or Ed25519")
}
