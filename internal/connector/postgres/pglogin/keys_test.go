// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pglogin_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/connector/postgres/pglogin"
	"github.com/sallyport-dev/sallyport/internal/wire/pgwire"
)

// clock is a time that the test moves.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newKeys(c *clock) *pglogin.Keys {
	return pglogin.NewKeys(pglogin.KeysOptions{Rand: rand.Reader, Now: c.now, Rate: 1, Burst: 3})
}

func TestKeys(t *testing.T) {
	t.Parallel()
	c := &clock{time.Unix(1e9, 0)}
	k := pglogin.NewKeys(pglogin.KeysOptions{Rand: rand.Reader, Now: c.now})
	home := netip.MustParseAddr("192.0.2.1")
	mine := errors.New("mine")
	key, release, err := k.Issue(pgwire.Version32, func(context.Context) error { return mine })
	if err != nil {
		t.Fatal(err)
	}
	other, releaseOther, err := k.Issue(pgwire.Version30, func(context.Context) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if len(key.Secret) != 32 || len(other.Secret) != 4 || int32(key.PID) <= 0 || key.PID == other.PID {
		t.Errorf("keys %d/%d and %d/%d", key.PID, len(key.Secret), other.PID, len(other.Secret))
	}
	cancel, err := k.Find(home, key)
	if err != nil || !errors.Is(cancel(t.Context()), mine) {
		t.Errorf("the key does not find its session: %v", err)
	}
	wrong := bytes.Clone(key.Secret)
	wrong[31] ^= 1
	for name, guess := range map[string]pgwire.CancelKey{
		"secret of another session": {PID: key.PID, Secret: other.Secret},
		"last bit":                  {PID: key.PID, Secret: wrong},
		"beginning of the secret":   {PID: key.PID, Secret: key.Secret[:4]},
		"longer secret":             {PID: key.PID, Secret: append(bytes.Clone(key.Secret), 0)},
		"no secret":                 {PID: key.PID},
		"unknown process":           {PID: key.PID ^ 1, Secret: key.Secret},
		"nothing":                   {},
	} {
		if _, err := k.Find(home, guess); sallyport.KindOf(err) != sallyport.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	release()
	release()
	if _, err := k.Find(home, key); sallyport.KindOf(err) != sallyport.NotFound {
		t.Errorf("a released key finds its session: %v", err)
	}
	if k.Len() != 1 {
		t.Errorf("%d keys", k.Len())
	}
	releaseOther()
}

func TestKeysNeverCollide(t *testing.T) {
	t.Parallel()
	c := &clock{time.Unix(1e9, 0)}
	// The same process number twice, then zero, then another.
	var random []byte
	for _, pid := range []uint32{7, 7 | 1<<31, 0, 8} {
		random = append(binary.BigEndian.AppendUint32(random, pid), "abcd"...)
	}
	k := pglogin.NewKeys(pglogin.KeysOptions{Rand: bytes.NewReader(random), Now: c.now})
	for _, want := range []uint32{7, 8} {
		key, _, err := k.Issue(pgwire.Version30, nil)
		if err != nil || key.PID != want {
			t.Errorf("process number %d, %v; want %d", key.PID, err, want)
		}
	}
	if _, _, err := k.Issue(pgwire.Version30, nil); err == nil {
		t.Error("a key without randomness")
	}
}

func TestKeysLimitTheRate(t *testing.T) {
	t.Parallel()
	c := &clock{time.Unix(1e9, 0)}
	k := newKeys(c)
	key, release, err := k.Issue(pgwire.Version30, func(context.Context) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	kind := func(source string, key pgwire.CancelKey) sallyport.Kind {
		t.Helper()
		_, err := k.Find(netip.MustParseAddr(source), key)
		if err == nil {
			return 255
		}
		return sallyport.KindOf(err)
	}
	guess := pgwire.CancelKey{PID: key.PID, Secret: []byte("none")}
	for range 3 {
		if got := kind("192.0.2.1", guess); got != sallyport.NotFound {
			t.Fatalf("a guess is answered with %v", got)
		}
	}
	if got := kind("192.0.2.1", key); got != sallyport.Exhausted {
		t.Errorf("the fourth request at once: %v", got)
	}
	if got := kind("::ffff:192.0.2.1", key); got != sallyport.Exhausted {
		t.Errorf("the same source in IPv6 form: %v", got)
	}
	if got := kind("192.0.2.2", key); got != 255 {
		t.Errorf("another source: %v", got)
	}
	c.t = c.t.Add(time.Second)
	if got := kind("192.0.2.1", key); got != 255 {
		t.Errorf("a second later: %v", got)
	}
	c.t = c.t.Add(-time.Hour)
	if got := kind("192.0.2.1", key); got != sallyport.Exhausted {
		t.Errorf("after the clock went back: %v", got)
	}
	c.t = c.t.Add(time.Second)
	if got := kind("192.0.2.1", key); got != 255 {
		t.Errorf("a second after the clock went back: %v", got)
	}
	for range 3 {
		kind("2001:db8::1", guess)
	}
	if got := kind("2001:db8::2", key); got != sallyport.Exhausted {
		t.Errorf("a neighbour in the same /64: %v", got)
	}
}

// TestKeysForgetSources sends from more sources than are remembered.
func TestKeysForgetSources(t *testing.T) {
	t.Parallel()
	c := &clock{time.Unix(1e9, 0)}
	k := newKeys(c)
	for i := range 20_000 {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], uint32(i))
		if _, err := k.Find(netip.AddrFrom4(a), pgwire.CancelKey{PID: 1}); sallyport.KindOf(err) != sallyport.NotFound {
			t.Fatalf("source %d: %v", i, err)
		}
	}
	if n := pglogin.Sources(k); n > 4096 {
		t.Errorf("%d sources are remembered", n)
	}
}
