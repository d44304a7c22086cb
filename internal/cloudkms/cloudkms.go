// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Package cloudkms uses keys of Google Cloud KMS (REST API v1), which never leave
// it: one that encrypts as the vault's master key, one of Ed25519 to sign a
// ledger's checkpoints.
//
// Every request and every answer carries CRC-32C checksums, which both sides
// compare, as the service asks of its callers.
package cloudkms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tink-crypto/tink-go/v2/tink"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	sallyport "github.com/sallyport-dev/sallyport"
)

const op = "cloud kms"

// Scheme is how the URI of a key begins, as Tink's clients have it; the key's
// resource name follows.
const Scheme = "gcp-kms://"

const (
	base  = "https://cloudkms.googleapis.com"
	scope = "https://www.googleapis.com/auth/cloudkms"
	// overrideVar names another endpoint, as it does for the Google Cloud CLI.
	overrideVar = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS"
	// patience is how long an answer may take.
	patience = 15 * time.Second
	// maxAnswer bounds an answer in bytes: a ciphertext of 64 KiB in base64, and
	// what stands around it.
	maxAnswer = 1 << 18
)

// Client asks the service with the account that the environment names
// (Application Default Credentials).
type Client struct {
	ctx      context.Context //nolint:containedctx // interfaces of keys have none; it bounds every request
	endpoint string
	override error

	mu   sync.Mutex
	http *http.Client // nil until the credentials were found
}

// New returns a client that is used until ctx ends. The credentials are looked
// for when a key is used for the first time.
func New(ctx context.Context, getenv func(string) string) *Client {
	c := &Client{ctx: ctx, endpoint: base}
	if other := getenv(overrideVar); other != "" {
		c.endpoint = strings.TrimRight(other, "/")
		if u, err := url.Parse(other); err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
			c.override = sallyport.E(sallyport.Invalid, op, overrideVar+" is no https address").WithHint("http is for loopback addresses only")
		}
	}
	return c
}

func isLoopback(host string) bool { return host == "127.0.0.1" || host == "::1" }

// Supported reports whether a URI names a key of the service.
func (c *Client) Supported(uri string) bool { return strings.HasPrefix(uri, Scheme) }

var (
	keyName     = regexp.MustCompile(`^projects/[\w.:-]+/locations/[\w-]+/keyRings/[\w-]+/cryptoKeys/[\w-]+$`)
	versionName = regexp.MustCompile(`^projects/[\w.:-]+/locations/[\w-]+/keyRings/[\w-]+/cryptoKeys/[\w-]+/cryptoKeyVersions/\d+$`)
)

// GetAEAD returns the key for encryption that a URI names
// ("gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K"). The service is
// asked when the key is used. Errors: Invalid for another URI.
func (c *Client) GetAEAD(uri string) (tink.AEAD, error) {
	name := strings.TrimPrefix(uri, Scheme)
	if !c.Supported(uri) || !keyName.MatchString(name) {
		return nil, sallyport.E(sallyport.Invalid, op, "a key for encryption is \""+Scheme+"projects/P/locations/L/keyRings/R/cryptoKeys/K\"")
	}
	return aead{c, name}, nil
}

// aead is a [tink.AEAD].
type aead struct {
	c    *Client
	name string
}

// sum is the CRC-32C of bytes, as the API has it.
func sum(b []byte) string {
	return strconv.FormatUint(uint64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))), 10)
}

var errChanged = errors.New("a checksum does not fit: something on the way changed the message")

// Encrypt implements [tink.AEAD].
func (a aead) Encrypt(plaintext, associated []byte) ([]byte, error) {
	var out struct {
		Name       string `json:"name"` // of the key's version
		Ciphertext []byte `json:"ciphertext"`
		Sum        string `json:"ciphertextCrc32c"`
		Plaintext  bool   `json:"verifiedPlaintextCrc32c"`
		Associated bool   `json:"verifiedAdditionalAuthenticatedDataCrc32c"`
	}
	err := a.c.ask(http.MethodPost, a.name+":encrypt", map[string]any{
		"plaintext": plaintext, "plaintextCrc32c": sum(plaintext),
		"additionalAuthenticatedData": associated, "additionalAuthenticatedDataCrc32c": sum(associated),
	}, &out)
	if err != nil {
		return nil, err
	}
	if !out.Plaintext || !out.Associated || out.Sum != sum(out.Ciphertext) || !strings.HasPrefix(out.Name, a.name+"/") {
		return nil, failed(errChanged)
	}
	return out.Ciphertext, nil
}

// Decrypt implements [tink.AEAD].
func (a aead) Decrypt(ciphertext, associated []byte) ([]byte, error) {
	var out struct {
		Plaintext []byte `json:"plaintext"`
		Sum       string `json:"plaintextCrc32c"`
	}
	err := a.c.ask(http.MethodPost, a.name+":decrypt", map[string]any{
		"ciphertext": ciphertext, "ciphertextCrc32c": sum(ciphertext),
		"additionalAuthenticatedData": associated, "additionalAuthenticatedDataCrc32c": sum(associated),
	}, &out)
	if err != nil {
		return nil, err
	}
	if out.Sum != sum(out.Plaintext) {
		clear(out.Plaintext)
		return nil, failed(errChanged)
	}
	return out.Plaintext, nil
}

// client returns the HTTP client that has the account's tokens.
func (c *Client) client() (*http.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.http != nil {
		return c.http, nil
	}
	found, err := google.FindDefaultCredentials(c.ctx, scope)
	if err != nil {
		return nil, sallyport.E(sallyport.Unavailable, op, "there are no credentials for Google Cloud").
			WithHint("set GOOGLE_APPLICATION_CREDENTIALS, or run the gateway with a service account attached").Because(err)
	}
	c.http = oauth2.NewClient(c.ctx, found.TokenSource)
	return c.http, nil
}

// ask sends a request and reads the answer. Errors hold nothing of either but
// the service's own words; their kind is Integrity where the service says that the
// request is not for this key, else Unavailable.
func (c *Client) ask(method, path string, in, out any) error {
	if c.override != nil {
		return c.override
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return failed(err)
		}
		defer clear(b)
		body = bytes.NewReader(b)
	}
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.endpoint+"/v1/"+path, body)
	if err != nil {
		return failed(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return failed(plain(err))
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	defer clear(answer)
	switch {
	case err != nil:
		return failed(err)
	case len(answer) > maxAnswer:
		return failed(fmt.Errorf("an answer of more than %d bytes", maxAnswer))
	case res.StatusCode != http.StatusOK:
		return refused(res.StatusCode, answer)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return failed(errors.New("the answer is not of the API"))
	}
	return nil
}

// plain takes the address, which the operator knows, off an error of a request.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func failed(err error) error {
	return sallyport.E(sallyport.Unavailable, op, "the key management service cannot be used").Because(err)
}

// refused makes an error of an answer that is one (google.rpc.Status in JSON).
func refused(status int, answer []byte) error {
	var e struct {
		Error struct {
			Status  string `json:"status"`
			Message string `json:"message"`
		} `json:"error"`
	}
	_ = json.Unmarshal(answer, &e) // where it has none, the number has to do
	kind := sallyport.Unavailable
	if status == http.StatusBadRequest { // what a ciphertext of another key is
		kind = sallyport.Integrity
	}
	err := sallyport.E(kind, op, fmt.Sprintf("the key management service answers %d %s", status, e.Error.Status))
	switch status {
	case http.StatusForbidden, http.StatusUnauthorized:
		err = err.WithHint("the gateway's account needs roles/cloudkms.cryptoKeyEncrypterDecrypter for a master key, roles/cloudkms.signerVerifier for one that signs")
	case http.StatusNotFound:
		err = err.WithHint("check the key's resource name and its location")
	}
	return err.Because(errors.New(e.Error.Message))
}
