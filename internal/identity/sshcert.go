// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	sallyport "github.com/sallyport-dev/sallyport"
)

// MaxSSHCertificate is how long a certificate for SSH is good at most. It is for
// logging in; a session goes on until its token ends.
const MaxSSHCertificate = 5 * time.Minute

const (
	// sshToken is the critical option that binds a certificate to its token, by the
	// token's hash. A server that does not know it must refuse the certificate, so
	// that it is good at this gateway alone.
	sshToken = "token@sallyport"
	// sshSource is OpenSSH's own option for the addresses of clients.
	sshSource = "source-address"
	// maxSSHSources bounds the addresses in a certificate.
	maxSSHSources = 16
)

// SSHAuthority issues certificates with which clients of SSH log in to this
// gateway, and knows them again. Each stands for a gateway token that nobody has:
// when that is revoked, so is the certificate.
type SSHAuthority struct {
	tokens *Tokens
	signer ssh.Signer
}

// NewSSHAuthority returns an authority over the tokens of t, which signs with
// signer.
func NewSSHAuthority(t *Tokens, signer ssh.Signer) *SSHAuthority {
	return &SSHAuthority{tokens: t, signer: signer}
}

// PublicKey returns the key that the certificates are signed with.
func (a *SSHAuthority) PublicKey() ssh.PublicKey { return a.signer.PublicKey() }

// SSHRequest asks for a certificate.
type SSHRequest struct {
	IssueRequest
	Key     ssh.PublicKey // of the client
	Sources []string      // addresses and networks that it may come from; none means all
}

// SSHUser is the user name that clients of SSH give for a resource and a role.
func SSHUser(r sallyport.ResourceID, role sallyport.RoleID) string {
	return string(r) + "+" + string(role)
}

// ParseSSHUser takes a user name apart.
func ParseSSHUser(user string) (sallyport.ResourceID, sallyport.RoleID, bool) {
	r, role, ok := strings.Cut(user, "+")
	if !ok || checkText(r) != nil || checkText(role) != nil || strings.Contains(role, "+") {
		return "", "", false
	}
	return sallyport.ResourceID(r), sallyport.RoleID(role), true
}

// Issue makes a gateway token and a certificate that stands for it, and forgets the
// token. Kinds are those of [Tokens.Issue], and Invalid for a key that is not good
// enough.
func (a *SSHAuthority) Issue(ctx context.Context, r SSHRequest) (*ssh.Certificate, TokenInfo, error) {
	const op = "issue ssh certificate"
	if err := goodKey(r.Key); err != nil {
		return nil, TokenInfo{}, sallyport.E(sallyport.Invalid, op, err.Error()).
			WithHint("make one with: ssh-keygen -t ed25519")
	}
	if err := goodSources(r.Sources); err != nil {
		return nil, TokenInfo{}, sallyport.E(sallyport.Invalid, op, err.Error()).
			WithHint("give addresses or networks such as 10.0.0.0/8")
	}
	var serial [8]byte
	if _, err := io.ReadFull(a.tokens.rand, serial[:]); err != nil {
		return nil, TokenInfo{}, sallyport.E(sallyport.Internal, op, "no randomness").Because(err)
	}
	token, info, err := a.tokens.Issue(ctx, r.IssueRequest)
	if err != nil {
		return nil, info, err
	}
	hash := sha256.Sum256([]byte(token))
	end := info.IssuedAt.Add(MaxSSHCertificate)
	if info.NotAfter.Before(end) {
		end = info.NotAfter
	}
	cert := &ssh.Certificate{
		Key: r.Key, Serial: binary.BigEndian.Uint64(serial[:]), CertType: ssh.UserCert, KeyId: string(info.Principal) + " " + info.ID,
		ValidPrincipals: []string{SSHUser(r.Resource, r.Role)},
		ValidAfter:      uint64(max(info.IssuedAt.Unix(), 0)), ValidBefore: uint64(max(end.Unix(), 0)), //nolint:gosec // not negative
		Permissions: ssh.Permissions{CriticalOptions: map[string]string{sshToken: hex.EncodeToString(hash[:])}},
	}
	if len(r.Sources) > 0 {
		cert.CriticalOptions[sshSource] = strings.Join(r.Sources, ",")
	}
	if err := cert.SignCert(a.tokens.rand, a.signer); err != nil {
		return nil, TokenInfo{}, sallyport.E(sallyport.Internal, op, "the certificate cannot be signed").Because(err)
	}
	return cert, info, nil
}

// goodKey reports what is wrong with the key of a client.
func goodKey(k ssh.PublicKey) error {
	if k == nil {
		return errors.New("no key was given")
	}
	switch k.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
		return nil
	case ssh.KeyAlgoRSA:
		if c, ok := k.(ssh.CryptoPublicKey); ok {
			if r, ok := c.CryptoPublicKey().(*rsa.PublicKey); ok && r.N.BitLen() >= minRSABits {
				return nil
			}
		}
		return errors.New("the RSA key is shorter than 2048 bits")
	}
	return errors.New("keys of this type get no certificate")
}

func goodSources(list []string) error {
	if len(list) > maxSSHSources {
		return errors.New("there are too many addresses")
	}
	for _, s := range list {
		if _, err := netip.ParseAddr(s); err == nil {
			continue
		}
		if _, err := netip.ParsePrefix(s); err != nil {
			return errors.New("an address is none")
		}
	}
	return nil
}

// Proved stands for a token whose holder was told by a certificate instead of by
// the token. Only [SSHAuthority.Check] makes one; the zero value is refused.
type Proved struct {
	hash [sha256.Size]byte
	key  string // fingerprint of the client's key
	ok   bool
}

// Valid reports whether p stands for anything.
func (p Proved) Valid() bool { return p.ok }

// Check judges a certificate that was presented with a user name: that this
// authority issued it, for that name, and that it holds now. Whether the client
// has the key is the protocol's to find out, and whether the token is still good
// [Tokens.Recognise]'s. What is refused is in the journal.
func (a *SSHAuthority) Check(ctx context.Context, cert *ssh.Certificate, user string) (Proved, error) {
	p, err := a.check(cert, user)
	if err != nil {
		return Proved{}, refused(ctx, a.tokens.journal, nil, refusal(err, "get a certificate with: sallyport ssh-cert"))
	}
	return p, nil
}

func (a *SSHAuthority) check(cert *ssh.Certificate, user string) (Proved, error) {
	now := a.tokens.now()
	end := time.Unix(int64(min(cert.ValidBefore, 1<<40)), 0)  //nolint:gosec // bounded
	begin := time.Unix(int64(min(cert.ValidAfter, 1<<40)), 0) //nolint:gosec // bounded
	switch {
	case cert.CertType != ssh.UserCert:
		return Proved{}, errors.New("the certificate is not one for users")
	case !slices.Equal(cert.SignatureKey.Marshal(), a.signer.PublicKey().Marshal()):
		return Proved{}, errors.New("the certificate is of another authority than this gateway's")
	case now.Before(begin.Add(-time.Minute)):
		return Proved{}, errors.New("the certificate is not valid yet")
	case !now.Before(end):
		return Proved{}, errors.New("the certificate has expired")
	case end.Sub(begin) > MaxSSHCertificate+time.Second:
		return Proved{}, errors.New("the certificate is valid for too long")
	case len(cert.ValidPrincipals) != 1 || cert.ValidPrincipals[0] != user:
		return Proved{}, errors.New("the certificate is for another user name")
	}
	hash, err := hex.DecodeString(cert.CriticalOptions[sshToken])
	if err != nil || len(hash) != sha256.Size {
		return Proved{}, errors.New("the certificate names no token")
	}
	c := ssh.CertChecker{SupportedCriticalOptions: []string{sshToken, sshSource}, Clock: func() time.Time { return begin }}
	if err := c.CheckCert(user, cert); err != nil { // times were looked at above
		return Proved{}, errors.New("the certificate's signature or its options are not right")
	}
	return Proved{hash: [sha256.Size]byte(hash), key: ssh.FingerprintSHA256(cert.Key), ok: true}, nil
}

// SSHSources returns the certificate's own word about where its holder may come
// from, as the server has to enforce it.
func SSHSources(cert *ssh.Certificate) (string, bool) {
	s, ok := cert.CriticalOptions[sshSource]
	return s, ok
}

// Recognise logs the holder of a certificate in, as [Tokens.Authenticate] would with
// the token that it stands for: it is refused when the token was revoked or has
// expired.
func (t *Tokens) Recognise(ctx context.Context, p Proved) (sallyport.Principal, Binding, error) {
	if !p.ok {
		return sallyport.Principal{}, Binding{}, sallyport.E(sallyport.Internal, "login", "nothing was proved")
	}
	st, err := t.find(ctx, p.hash, "get a new certificate with: sallyport ssh-cert")
	return t.enter(ctx, st, p.key, err)
}
