// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package webhook is the sink that posts batches to a URL, signed as Standard
// Webhooks says.
//
// The id of a message is made of the ledger's origin and the first and the last
// index, so that a batch that is sent again has the same id. With two secrets a
// message carries a signature of each: the receiver may change to the new one at
// any time. Headers name the origin and both indexes as well; they are a
// convenience and not signed, the events themselves are.
package webhook

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/ship"
	"github.com/sallyport-dev/sallyport/internal/ship/httpsend"
)

const op = "ship webhook"

// Secret gives out a secret's text when it is needed, so that a changed one is
// taken up without a restart.
type Secret func(ctx context.Context) (string, error)

// Options say where the receiver is and what it is shown.
type Options struct {
	URL     string
	TLS     *tls.Config
	Array   bool // the body is a JSON array instead of JSON lines
	Secrets []Secret
	Ed25519 Secret // nil signs without
	Headers []httpsend.Header
	Now     func() time.Time
}

// Sink posts to one receiver.
type Sink struct {
	opt    Options
	client *httpsend.Client
}

// New returns a sink.
func New(opt Options) *Sink {
	return &Sink{opt: opt, client: httpsend.New(op, opt.URL, opt.TLS, opt.Headers, opt.Now)}
}

// Send implements [ship.Sink].
func (s *Sink) Send(ctx context.Context, b ship.Batch) error {
	body, kind := s.body(b)
	sum := sha256.Sum256([]byte(b.Origin))
	id := fmt.Sprintf("msg_%s_%d_%d", hex.EncodeToString(sum[:6]), b.From(), b.To())
	stamp := strconv.FormatInt(s.opt.Now().Unix(), 10)
	signatures, err := s.sign(ctx, id, stamp, body)
	if err != nil {
		return err
	}
	h := http.Header{}
	for name, value := range map[string]string{
		"Content-Type": kind, "User-Agent": "sallyport/" + version(b.Product),
		"Webhook-Id": id, "Webhook-Timestamp": stamp, "Webhook-Signature": signatures,
		"Sallyport-Origin": b.Origin, "Sallyport-From": strconv.FormatUint(b.From(), 10), "Sallyport-To": strconv.FormatUint(b.To(), 10),
	} {
		h.Set(name, value)
	}
	_, err = s.client.Post(ctx, h, body,
		http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout)
	return err
}

// version is a product's version in the form of a header's word.
func version(s string) string {
	v, _, _ := strings.Cut(s, " ")
	if v == "" {
		return "unknown"
	}
	return v
}

func (s *Sink) body(b ship.Batch) (body []byte, kind string) {
	var buf bytes.Buffer
	buf.Grow(b.Bytes + len(b.Events) + 2)
	if s.opt.Array {
		buf.WriteByte('[')
	}
	for i, e := range b.Events {
		if s.opt.Array && i > 0 {
			buf.WriteByte(',')
		}
		buf.Write(e.JSON)
		if !s.opt.Array {
			buf.WriteByte('\n')
		}
	}
	if s.opt.Array {
		buf.WriteByte(']')
		return buf.Bytes(), "application/json"
	}
	return buf.Bytes(), "application/x-ndjson"
}

// sign returns the value of webhook-signature: one signature for each secret.
func (s *Sink) sign(ctx context.Context, id, stamp string, body []byte) (string, error) {
	content := append([]byte(id+"."+stamp+"."), body...)
	var out []string
	for _, secret := range s.opt.Secrets {
		text, err := secret(ctx)
		if err != nil {
			return "", err
		}
		key, err := ParseSecret(text)
		if err != nil {
			return "", err
		}
		mac := hmac.New(sha256.New, key)
		mac.Write(content)
		out = append(out, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	if s.opt.Ed25519 != nil {
		text, err := s.opt.Ed25519(ctx)
		if err != nil {
			return "", err
		}
		key, err := ParseKey(text)
		if err != nil {
			return "", err
		}
		out = append(out, "v1a,"+base64.StdEncoding.EncodeToString(ed25519.Sign(key, content)))
	}
	return strings.Join(out, " "), nil
}

// ParseSecret reads a secret of Standard Webhooks: "whsec_" and 24 to 64 bytes in
// base64. The error never has any of it.
func ParseSecret(text string) ([]byte, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "whsec_")
	key, err := base64.StdEncoding.DecodeString(rest)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return nil, sallyport.E(sallyport.Invalid, op, "a secret of a webhook is not of the form of Standard Webhooks").
			WithHint(`make one with: echo "whsec_$(openssl rand -base64 32)"`)
	}
	return key, nil
}

// ParseKey reads a signing key of Standard Webhooks: "whsk_" and the seed, or
// the seed and the public key, in base64.
func ParseKey(text string) (ed25519.PrivateKey, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "whsk_")
	b, err := base64.StdEncoding.DecodeString(rest)
	if ok && err == nil && len(b) >= ed25519.SeedSize {
		key := ed25519.NewKeyFromSeed(b[:ed25519.SeedSize])
		if len(b) == ed25519.SeedSize || bytes.Equal(b, key) {
			return key, nil
		}
	}
	return nil, sallyport.E(sallyport.Invalid, op, "the signing key of a webhook is not of the form of Standard Webhooks").
		WithHint(`make one with: echo "whsk_$(openssl rand -base64 32)"`)
}

// Close ends the connections that are kept.
func (s *Sink) Close() error { s.client.Close(); return nil }
