// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	sallyport "github.com/sallyport-dev/sallyport"
)

const (
	// unknownKeyPause is the least time between two fetches that only an unknown
	// key id asked for, so that made-up tokens cannot make the gateway hammer
	// the issuer.
	unknownKeyPause = 30 * time.Second
	// retryPause is the least time between two fetches after one that did not
	// succeed, so that logins do not each wait for an issuer that is down.
	retryPause = 15 * time.Second

	maxKeys    = 256
	maxSameKid = 4 // keys under one id that are tried
)

// KeyCache keeps an issuer's last good key set across restarts, so that a
// gateway that starts while an issuer is down still knows its workloads.
type KeyCache interface {
	// LoadKeys returns the set last saved for the issuer and when it was fetched;
	// a nil set without an error when there is none.
	LoadKeys(ctx context.Context, issuerURL string) (jwks []byte, fetched time.Time, err error)
	// SaveKeys replaces the set of the issuer; a nil set removes it.
	SaveKeys(ctx context.Context, issuerURL string, jwks []byte, fetched time.Time) error
}

// keyring holds one issuer's keys and fetches them when a login needs it.
type keyring struct {
	issuer Issuer
	fetch  *fetcher
	cache  KeyCache // may be nil
	now    func() time.Time
	log    *slog.Logger

	// turn is held by the one login that fetches; the others wait for it.
	turn chan struct{}

	mu       sync.Mutex // guards what follows
	keys     *snapshot  // nil until the first good set
	loaded   bool       // the cache was asked
	uri      string     // where the key set is, from the last discovery
	failed   time.Time  // last fetch that did not succeed; zero after a good one
	unknown  time.Time  // last fetch for an unknown key id
	fetches  uint64     // fetches ended, good or not
	lastFail error
}

// snapshot is a key set that does not change any more.
type snapshot struct {
	keys    []jose.JSONWebKey
	fetched time.Time
}

func newKeyring(is Issuer, f *fetcher, cache KeyCache, now func() time.Time, log *slog.Logger) *keyring {
	return &keyring{issuer: is, fetch: f, cache: cache, now: now, log: log, turn: make(chan struct{}, 1)}
}

// find returns the keys that may have signed with algorithm alg under the id
// kid ("" when the token names none), and whether they are past their refresh
// time.
func (r *keyring) find(ctx context.Context, kid string, alg jose.SignatureAlgorithm) ([]jose.JSONWebKey, bool, error) {
	s, stale, err := r.current(ctx)
	if err != nil {
		return nil, false, err
	}
	keys, err := s.pick(kid, alg)
	if err == nil || !errors.Is(err, errUnknownKey) {
		return keys, stale, err
	}
	// The issuer may have rotated since.
	s, stale, err = r.again(ctx, s)
	if err != nil {
		return nil, false, err
	}
	keys, err = s.pick(kid, alg)
	if errors.Is(err, errUnknownKey) {
		if cause := r.outage(); cause != nil {
			return nil, false, sallyport.E(sallyport.Unavailable, "issuer keys",
				fmt.Sprintf("the token's key is not known yet and issuer %q cannot be reached", r.issuer.Name)).
				WithHint("try again in a minute; check that the gateway can reach the issuer").Because(cause)
		}
	}
	return keys, stale, err
}

var errUnknownKey = errors.New("the token is signed with a key that the issuer does not publish")

func (s *snapshot) pick(kid string, alg jose.SignatureAlgorithm) ([]jose.JSONWebKey, error) {
	var found []jose.JSONWebKey
	named := false
	for _, k := range s.keys {
		if kid != "" && k.KeyID != kid {
			continue
		}
		named = true
		if fits(k, alg) {
			found = append(found, k)
		}
	}
	switch {
	case !named:
		return nil, errUnknownKey
	case len(found) == 0:
		return nil, errors.New("the key that the token names is not one for the token's algorithm")
	case kid == "" && len(found) > 1:
		return nil, errors.New("the token names no key and the issuer has several")
	case len(found) > maxSameKid:
		return nil, errors.New("the issuer publishes too many keys under one id")
	}
	return found, nil
}

// current returns a set that may be used now, fetched first when it is due. A
// login waits for another one's fetch only when it has no keys to go on with.
func (r *keyring) current(ctx context.Context) (*snapshot, bool, error) {
	r.restore(ctx)
	seen, due, waiting := r.look()
	if !due {
		return r.usable()
	}
	if waiting {
		if err := r.take(ctx); err != nil {
			return nil, false, err
		}
	} else {
		select {
		case r.turn <- struct{}{}:
		default:
			return r.usable()
		}
	}
	if n, still, _ := r.look(); n == seen && still {
		r.refresh(ctx, true)
	}
	<-r.turn
	return r.usable()
}

// again fetches because a key id is not in s, unless that was done just now.
func (r *keyring) again(ctx context.Context, s *snapshot) (*snapshot, bool, error) {
	if err := r.take(ctx); err != nil {
		return nil, false, err
	}
	r.mu.Lock()
	now := r.now()
	do := r.keys == s && (r.unknown.IsZero() || elapsed(now, r.unknown) >= unknownKeyPause) && !r.pausing(now)
	if do {
		r.unknown = now
	}
	r.mu.Unlock()
	if do {
		r.refresh(ctx, false)
	}
	<-r.turn
	return r.usable()
}

// outage returns why the last fetch did not succeed, or nil.
func (r *keyring) outage() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lastFail
}

// usable judges the newest set by its age. Beyond the stale limit, or when the
// clock says that it was fetched in the future, nobody new logs in.
func (r *keyring) usable() (*snapshot, bool, error) {
	const op = "issuer keys"
	const hint = "the gateway tries again by itself; check that it can reach the issuer, and the clock of its machine"
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys == nil {
		return nil, false, sallyport.E(sallyport.Unavailable, op,
			fmt.Sprintf("the keys of issuer %q could not be fetched", r.issuer.Name)).WithHint(hint).Because(r.lastFail)
	}
	if !r.inTime(r.now()) {
		return nil, false, sallyport.E(sallyport.Unavailable, op,
			fmt.Sprintf("the keys of issuer %q are too old to be trusted and could not be fetched again", r.issuer.Name)).WithHint(hint).Because(r.lastFail)
	}
	return r.keys, r.now().Sub(r.keys.fetched) >= r.issuer.refresh(), nil
}

// inTime reports whether the keys may still be used. The caller holds mu.
func (r *keyring) inTime(now time.Time) bool {
	age := now.Sub(r.keys.fetched)
	return age < r.issuer.stale() && age >= -MaxSkew
}

// take waits for the turn to fetch.
func (r *keyring) take(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return sallyport.E(sallyport.Unavailable, "issuer keys", "the login was given up while the issuer's keys were fetched").Because(ctx.Err())
	}
}

// look says how many fetches there were, whether another is due, and whether a
// login has to wait for it since there is nothing else to go on with.
func (r *keyring) look() (fetches uint64, due, waiting bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	waiting = r.keys == nil || !r.inTime(now)
	due = waiting || now.Sub(r.keys.fetched) >= r.issuer.refresh()
	return r.fetches, due && !r.pausing(now), waiting
}

func (r *keyring) pausing(now time.Time) bool {
	return !r.failed.IsZero() && elapsed(now, r.failed) < retryPause
}

// elapsed is the time since then; a clock that was set back counts as long ago,
// so that a pause always ends.
func elapsed(now, then time.Time) time.Duration {
	if d := now.Sub(then); d >= 0 {
		return d
	}
	return time.Duration(1<<63 - 1)
}

// refresh fetches and keeps the outcome. The caller holds the turn. The fetch
// runs on its own time limit and not on the login's: a client that gives up
// must not be counted as an outage of the issuer.
func (r *keyring) refresh(ctx context.Context, discover bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	raw, uri, err := r.get(ctx, discover)
	var s *snapshot
	if err == nil {
		s, err = parseKeySet(raw, r.now())
	}
	r.mu.Lock()
	r.fetches++
	if err != nil {
		r.failed, r.lastFail = r.now(), err
		r.mu.Unlock()
		r.log.WarnContext(ctx, "issuer keys not fetched", "issuer", r.issuer.Name, "error", err)
		return
	}
	r.keys, r.uri, r.failed, r.lastFail = s, uri, time.Time{}, nil
	r.mu.Unlock()
	if r.cache != nil {
		if err := r.cache.SaveKeys(ctx, r.issuer.URL, raw, s.fetched); err != nil {
			r.log.WarnContext(ctx, "issuer keys not kept for a restart", "issuer", r.issuer.Name, "error", err)
		}
	}
}

func (r *keyring) get(ctx context.Context, discover bool) (raw []byte, uri string, err error) {
	if r.issuer.Keys.File != "" {
		raw, err = os.ReadFile(r.issuer.Keys.File)
		if err == nil && len(raw) > maxDocument {
			err = fmt.Errorf("key file is larger than %d bytes", maxDocument)
		}
		return raw, "", err
	}
	r.mu.Lock()
	uri = r.uri
	r.mu.Unlock()
	if discover || uri == "" {
		if uri, err = r.fetch.discover(ctx); err != nil {
			return nil, "", err
		}
	}
	raw, err = r.fetch.keySet(ctx, uri)
	return raw, uri, err
}

// restore asks the cache once.
func (r *keyring) restore(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loaded || r.cache == nil {
		return
	}
	r.loaded = true
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	raw, fetched, err := r.cache.LoadKeys(ctx, r.issuer.URL)
	if err == nil && raw == nil {
		return
	}
	var s *snapshot
	if err == nil {
		s, err = parseKeySet(raw, fetched)
	}
	if err != nil {
		r.log.WarnContext(ctx, "kept issuer keys are not usable", "issuer", r.issuer.Name, "error", err)
		return
	}
	r.keys = s
}

// purge forgets every key, here and in the cache, so that the next login
// fetches anew.
func (r *keyring) purge(ctx context.Context) error {
	if err := r.take(ctx); err != nil {
		return err
	}
	defer func() { <-r.turn }()
	r.mu.Lock()
	r.keys, r.uri, r.failed, r.unknown, r.loaded = nil, "", time.Time{}, time.Time{}, true
	r.mu.Unlock()
	if r.cache == nil {
		return nil
	}
	return r.cache.SaveKeys(ctx, r.issuer.URL, nil, time.Time{})
}

// parseKeySet reads a JWK set (RFC 7517 section 5). Keys of unknown or unfit
// kinds are left out, as the RFC asks; a set without one usable key is refused,
// so that a broken answer does not replace good keys.
func parseKeySet(raw []byte, fetched time.Time) (*snapshot, error) {
	if _, err := parseObjectOf(raw, 16*maxMembers); err != nil {
		return nil, fmt.Errorf("key set %w", err)
	}
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, errors.New("key set is not a JWK set")
	}
	if len(doc.Keys) > maxKeys {
		return nil, fmt.Errorf("key set has more than %d keys", maxKeys)
	}
	s := &snapshot{fetched: fetched}
	for _, k := range doc.Keys {
		var key jose.JSONWebKey
		if err := json.Unmarshal(k, &key); err != nil || checkKey(key) != nil {
			continue
		}
		if len(key.KeyID) > maxText || checkLiteral(key.KeyID) != nil {
			continue
		}
		s.keys = append(s.keys, key)
	}
	if len(s.keys) == 0 {
		return nil, errors.New("key set has no key that may be used")
	}
	s.keys = slices.Clip(s.keys)
	return s, nil
}
