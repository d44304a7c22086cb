// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package signer

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	sallyport "github.com/sallyport-dev/sallyport"
)

// agentPatience is how long an agent may take to answer.
const agentPatience = 10 * time.Second

// agentKey is an Ed25519 key of an ssh-agent (RFC 8709 for the key,
// draft-ietf-sshm-ssh-agent for the protocol). Each signature is asked for over a new connection, so
// that an agent may be started again.
type agentKey struct {
	socket string
	key    ssh.PublicKey
	public ed25519.PublicKey
}

func openAgent(rest, origin string) (Key, error) {
	socket, fingerprint, ok := strings.Cut(rest, "#")
	if !ok || socket == "" || !strings.HasPrefix(fingerprint, "SHA256:") {
		return Key{}, sallyport.E(sallyport.Invalid, op, "an agent's key is named \"agent:SOCKET#SHA256:FINGERPRINT\"").
			WithHint("`ssh-add -l` lists the fingerprints")
	}
	k := agentKey{socket: socket}
	err := k.ask(func(a agent.ExtendedAgent) error {
		keys, err := a.List()
		if err != nil {
			return err
		}
		for _, candidate := range keys {
			pub, err := ssh.ParsePublicKey(candidate.Blob)
			if err != nil || ssh.FingerprintSHA256(pub) != fingerprint {
				continue
			}
			if c, ok := pub.(ssh.CryptoPublicKey); ok {
				k.public, _ = c.CryptoPublicKey().(ed25519.PublicKey)
			}
			k.key = pub
		}
		return nil
	})
	switch {
	case err != nil:
		return Key{}, sallyport.E(sallyport.Unavailable, op, "the agent at "+socket+" does not answer").
			WithHint("start it, and let the gateway's account reach its socket").Because(err)
	case k.key == nil:
		return Key{}, sallyport.E(sallyport.NotFound, op, "the agent at "+socket+" has no key "+fingerprint).
			WithHint("add it with ssh-add; `ssh-add -l` lists what is there")
	case k.public == nil:
		return Key{}, sallyport.E(sallyport.Invalid, op, "the agent's key is no Ed25519 key")
	}
	return New(origin, k)
}

// ask talks to the agent.
func (k agentKey) ask(talk func(agent.ExtendedAgent) error) error {
	conn, err := net.DialTimeout("unix", k.socket, agentPatience)
	if err != nil {
		return err
	}
	// Who does not answer in time finds the connection closed.
	late := time.AfterFunc(agentPatience, func() { _ = conn.Close() })
	err = talk(agent.NewClient(conn))
	if late.Stop() {
		err = errors.Join(err, conn.Close())
	}
	return err
}

// Public implements [crypto.Signer].
func (k agentKey) Public() crypto.PublicKey { return k.public }

// Sign implements [crypto.Signer].
func (k agentKey) Sign(_ io.Reader, msg []byte, _ crypto.SignerOpts) ([]byte, error) {
	var blob []byte
	err := k.ask(func(a agent.ExtendedAgent) error {
		sig, err := a.Sign(k.key, msg)
		if err != nil {
			return err
		}
		blob = sig.Blob
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !ed25519.Verify(k.public, msg, blob) {
		return nil, errors.New("the agent's signature does not verify")
	}
	return blob, nil
}
