// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"syscall"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	maxDocument  = 1 << 20 // bytes of a discovery document or a key set
	fetchTimeout = 10 * time.Second
	dialTimeout  = 5 * time.Second
	maxRedirects = 3
)

// fetcher reads an issuer's documents, and nothing else, over HTTP.
type fetcher struct {
	issuer Issuer
	client *http.Client
}

// newFetcher makes the client of one issuer. When base is not nil its transport
// is used instead of our own; limits and redirect rules apply all the same.
func newFetcher(is Issuer, base *http.Client) (*fetcher, error) {
	var rt http.RoundTripper
	if base != nil && base.Transport != nil {
		rt = base.Transport
	} else {
		tc := &tls.Config{MinVersion: tls.VersionTLS12}
		if is.CAFile != "" {
			pem, err := os.ReadFile(is.CAFile)
			if err != nil {
				return nil, fmt.Errorf("ca_file: %w", err)
			}
			tc.RootCAs = x509.NewCertPool()
			if !tc.RootCAs.AppendCertsFromPEM(pem) {
				return nil, errors.New("ca_file: holds no PEM certificate")
			}
		}
		u, err := url.Parse(is.URL)
		if err != nil {
			return nil, err
		}
		d := &net.Dialer{Timeout: dialTimeout, Control: dialControl(isLoopback(u.Hostname()))}
		rt = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            d.DialContext,
			TLSClientConfig:        tc,
			TLSHandshakeTimeout:    dialTimeout,
			ResponseHeaderTimeout:  dialTimeout,
			MaxResponseHeaderBytes: 64 << 10,
			// One fetch every few minutes gains nothing from an open connection.
			DisableKeepAlives: true,
		}
	}
	f := &fetcher{issuer: is}
	f.client = &http.Client{
		Transport:     limited{rt},
		Timeout:       fetchTimeout,
		CheckRedirect: f.redirect,
	}
	return f, nil
}

// dialControl keeps an issuer's documents from pointing the gateway at
// addresses that only make sense from inside: link-local ones, where clouds keep
// instance credentials, and the gateway's own machine, unless the issuer itself
// is configured to be there.
func dialControl(loopback bool) func(network, address string, c syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return errors.New("not an IP address")
		}
		a := ap.Addr().Unmap()
		if a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || (a.IsLoopback() && !loopback) {
			return errors.New("an issuer's documents are not fetched from this address")
		}
		return nil
	}
}

func (f *fetcher) redirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errors.New("too many redirects")
	}
	if first := via[0].URL; req.URL.Host != first.Host || req.URL.Scheme != first.Scheme {
		return errors.New("redirected to another host or scheme")
	}
	return nil
}

// discover returns the address of the issuer's key set (OpenID Connect
// Discovery 1.0 section 4).
func (f *fetcher) discover(ctx context.Context) (string, error) {
	p, err := oidc.NewProvider(oidc.ClientContext(ctx, f.client), f.issuer.URL)
	if err != nil {
		var mismatch *oidc.IssuerMismatchError
		var transport *url.Error
		switch {
		case errors.As(err, &mismatch):
			return "", errors.New("discovery: the document names another issuer")
		case errors.As(err, &transport):
			return "", fmt.Errorf("discovery: %w", transport)
		}
		// Other errors of the library repeat the body, which is not ours to show.
		return "", errors.New("discovery: the answer is not a discovery document")
	}
	var doc struct {
		JWKS string `json:"jwks_uri"`
	}
	if err := p.Claims(&doc); err != nil {
		return "", errors.New("discovery: the document is not valid JSON")
	}
	u, err := url.Parse(doc.JWKS)
	if err != nil || u.Host == "" || u.User != nil {
		return "", errors.New("discovery: jwks_uri is not an absolute URL")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !f.issuer.AllowLoopbackHTTP || !isLoopback(u.Hostname())) {
		return "", errors.New("discovery: jwks_uri is not https")
	}
	return doc.JWKS, nil
}

// keySet returns the bytes of the key set at that address.
func (f *fetcher) keySet(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	b, err := io.ReadAll(resp.Body)
	if cerr := resp.Body.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("key set: status %d", resp.StatusCode)
	}
	return b, nil
}

// limited bounds every body, also those that a library reads for us.
type limited struct{ next http.RoundTripper }

func (l limited) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &limitedBody{rc: resp.Body, left: maxDocument}
	return resp, nil
}

// limitedBody fails past its limit instead of ending, so that a document cut
// short is never taken for a whole one.
type limitedBody struct {
	rc   io.ReadCloser
	left int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.rc.Read(p)
	if int64(n) > b.left {
		return 0, fmt.Errorf("the document is larger than %d bytes", maxDocument)
	}
	b.left -= int64(n)
	return n, err
}

func (b *limitedBody) Close() error { return b.rc.Close() }
