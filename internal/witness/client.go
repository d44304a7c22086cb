// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package witness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/ledger"
)

// Defaults of ClientOptions.
const (
	DefaultLease    = time.Minute
	DefaultInterval = 10 * time.Second
	DefaultTimeout  = 5 * time.Second
)

// look is the time between looks for a new checkpoint, and after a round that
// failed.
const look = time.Second

// Log is the log whose checkpoints are cosigned.
type Log interface {
	// Publish puts what is durable under a checkpoint and returns it, signed.
	Publish(ctx context.Context) ([]byte, error)
	// Checkpoint returns the last published checkpoint, signed.
	Checkpoint() []byte
	// ConsistencyProof proves that the tree of size leaves begins with the one of
	// old leaves.
	ConsistencyProof(ctx context.Context, old, size uint64) (tlog.TreeProof, error)
}

// ClientOptions say whose checkpoints are cosigned, and by whom.
type ClientOptions struct {
	Log Log
	// Keys are the verifier keys of the log, the one that it signs with first. Old
	// ones are needed as long as the file may be signed by them.
	Keys   []string
	Policy *evidence.TrustPolicy
	HTTP   *http.Client // for its transport; redirects are not followed
	// File keeps the newest cosigned checkpoint.
	File  string
	Files Files // ledger.OS{} when nil
	// Lease is the age at which a cosigned checkpoint is too old.
	Lease time.Duration
	// Interval is the longest time between two rounds, Timeout the time that the
	// witnesses have for one.
	Interval, Timeout time.Duration
	Now               func() time.Time
	// Mono is the time since some moment by a clock that nobody sets. When nil, it
	// is what Now says since the client was made, which is that if Now is time.Now.
	Mono   func() time.Duration
	Logger *slog.Logger
}

// Client gets a log's checkpoints cosigned. Its methods may be called from any
// goroutine.
type Client struct {
	opt    ClientOptions
	known  []note.Verifier // of the log; the first one's name is its origin
	turn   chan struct{}   // held by the one round that is under way
	broken atomic.Pointer[sallyport.Error]
	newest atomic.Pointer[cosigned]

	// Of the round under way.
	peers    []*peer
	recalled bool          // the file was compared with the log
	asked    []byte        // the checkpoint of the last round
	begun    time.Duration // when that was, by Mono
	down     bool          // the last round failed
	missing  string        // who did not cosign in it
}

// cosigned is a checkpoint under which the quorum holds.
type cosigned struct {
	signed []byte
	cp     evidence.Checkpoint
	at     time.Time     // when the quorum was complete, by the gateway's clock
	wall   time.Time     // the same without its monotonic reading
	mono   time.Duration // the same by Mono
	live   bool          // completed by this process
}

const opWitness = "witness"

// NewClient reads what the file knows. Errors: Invalid for a policy that cannot
// hold or that names a witness by a URL which may not be used, Integrity for a
// file that this log did not sign.
func NewClient(opt ClientOptions) (*Client, error) {
	opt.complete()
	c := &Client{opt: opt, turn: make(chan struct{}, 1)}
	for _, key := range opt.Keys {
		v, err := note.NewVerifier(key)
		if err != nil {
			return nil, sallyport.E(sallyport.Invalid, opWitness, "the log's verifier key is malformed").Because(err)
		}
		c.known = append(c.known, v)
	}
	if err := c.listed(); err != nil {
		return nil, err
	}
	reach := map[int]bool{}
	for i, w := range opt.Policy.Witnesses {
		if w.URL == "" {
			continue
		}
		if err := checkURL(w.URL); err != nil {
			return nil, sallyport.E(sallyport.Invalid, opWitness, fmt.Sprintf("the URL of the witness %q cannot be used", w.Name)).
				WithHint("https, or http to a loopback address given as a number").Because(err)
		}
		reach[i] = true
		c.peers = append(c.peers, &peer{TrustedWitness: w, url: strings.TrimSuffix(w.URL, "/") + "/add-checkpoint"})
	}
	if !opt.Policy.Holds(func(i int) bool { return reach[i] }) {
		return nil, sallyport.E(sallyport.Invalid, opWitness, "the witnesses that have a URL in the policy are not enough for its quorum").
			WithHint("give each witness its submission URL: witness NAME VKEY URL")
	}
	return c, c.load()
}

func (o *ClientOptions) complete() {
	if o.Lease <= 0 {
		o.Lease = DefaultLease
	}
	if o.Interval <= 0 {
		o.Interval = DefaultInterval
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Mono == nil {
		now, start := o.Now, o.Now()
		o.Mono = func() time.Duration { return now().Sub(start) }
	}
	if o.Files == nil {
		o.Files = ledger.OS{}
	}
	// A redirect would be followed to somebody whom the policy does not name.
	h := *o.HTTP
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	h.Jar, h.Timeout = nil, 0
	o.HTTP = &h
}

// listed refuses a policy that lists logs but not this one: no checkpoint of it
// could ever satisfy it.
func (c *Client) listed() error {
	if len(c.opt.Keys) == 0 {
		return sallyport.E(sallyport.Invalid, opWitness, "the log has no verifier key")
	}
	for _, l := range c.opt.Policy.Logs {
		if l.Key == c.opt.Keys[0] {
			return nil
		}
	}
	if len(c.opt.Policy.Logs) == 0 {
		return nil
	}
	return sallyport.E(sallyport.Invalid, opWitness, "the witness policy lists logs, and this ledger is none of them").
		WithHint("add the line: log " + c.opt.Keys[0])
}

// checkURL admits https, and plain http to loopback addresses.
func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return errors.New("it is not a URL")
	case u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("it must have a host, and neither a user, a query nor a fragment")
	case u.Scheme == "https":
		return nil
	case u.Scheme != "http":
		return errors.New("it is neither https nor http")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err != nil || !a.IsLoopback() {
		return errors.New("without TLS only a loopback address may be asked")
	}
	return nil
}

// load reads the newest cosigned checkpoint of an earlier process. It gives no
// lease: nobody knows how long ago that was.
func (c *Client) load() error {
	b, err := c.opt.Files.ReadFile(c.opt.File)
	if isAbsent(err) {
		return nil
	}
	if err != nil {
		return sallyport.E(sallyport.Unavailable, opWitness, "the file of the newest cosigned checkpoint cannot be read").Because(err)
	}
	cp, err := evidence.OpenCheckpoint(b, note.VerifierList(c.known...))
	if err != nil || cp.Origin != c.known[0].Name() {
		return sallyport.E(sallyport.Integrity, opWitness, "the file of the newest cosigned checkpoint is not one that this ledger signed").
			WithHint("keep a copy of " + c.opt.File + " as evidence before you move it away; the witnesses know the newest size as well").Because(err)
	}
	n := &cosigned{signed: b, cp: cp}
	if got, err := c.opt.Policy.Check(b, c.known...); err == nil && got.Quorum {
		for _, by := range got.By {
			if by.Time.After(n.at) {
				n.at = by.Time
			}
		}
	}
	c.newest.Store(n)
	return nil
}

// Cosigned returns the newest checkpoint under which the quorum holds, and when
// that was complete by the gateway's own clock; for one of an earlier process,
// the latest time that a witness gave.
func (c *Client) Cosigned() (signed []byte, at time.Time, ok bool) {
	n := c.newest.Load()
	if n == nil || n.at.IsZero() || c.broken.Load() != nil {
		return nil, time.Time{}, false
	}
	return n.signed, n.at, true
}

// Fresh returns nil while the newest quorum is younger than the lease, or when
// the policy demands none. It costs a load and a look at the clock.
//
// A quorum's age is measured by the monotonic clock, which nobody sets, and by
// the wall clock, which goes on while the machine is suspended; the larger age
// counts. So a clock that jumps can end a lease and cannot extend it.
func (c *Client) Fresh(now time.Time) error {
	if err := c.broken.Load(); err != nil {
		return err
	}
	if !c.opt.Policy.Demands() {
		return nil
	}
	n := c.newest.Load()
	if n != nil && n.live && max(c.opt.Mono()-n.mono, now.Round(0).Sub(n.wall)) < c.opt.Lease {
		return nil
	}
	return c.stale(n)
}

// stale is the error of a lease that has ended.
func (c *Client) stale(n *cosigned) error {
	since := "no quorum of them has answered since the gateway started"
	if n != nil && n.live {
		since = "the last quorum was at " + n.at.UTC().Format(time.RFC3339)
	}
	return sallyport.E(sallyport.Unavailable, opWitness, fmt.Sprintf("the witnesses of the ledger are out of reach (%s, the lease is %s); nothing was forwarded", since, c.opt.Lease)).
		WithHint("the operator must bring the witnesses back, the gateway's log says what each of them answers; then try again")
}

// Run asks the witnesses until ctx ends: about each new checkpoint, and at least
// every Interval about the same one.
func (c *Client) Run(ctx context.Context) {
	tick := time.NewTicker(min(look, c.opt.Interval))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if c.broken.Load() == nil && c.due(ctx) {
			_, _ = c.Cosign(ctx) // it was logged
		}
	}
}

// due reports whether a round should begin.
func (c *Client) due(ctx context.Context) bool {
	if !c.take(ctx) {
		return false
	}
	defer c.leave()
	// Before the first round the log may not have published anything.
	return c.asked == nil || c.down || c.opt.Mono()-c.begun >= c.opt.Interval || string(c.asked) != string(c.opt.Log.Checkpoint())
}

// take waits for the turn of a round.
func (c *Client) take(ctx context.Context) bool {
	select {
	case c.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *Client) leave() { <-c.turn }

// Cosign publishes what is durable, asks every witness about its checkpoint, and
// returns it when the quorum holds under it. It waits for all of them: the
// complaint of one weighs more than a quorum of others. One such round is under
// way at a time. Errors: Unavailable when the quorum does not hold, Integrity as
// of Fresh, and those of the log.
func (c *Client) Cosign(ctx context.Context) (signed []byte, err error) {
	if !c.take(ctx) {
		return nil, sallyport.E(sallyport.Unavailable, opWitness, "the call was given up").Because(ctx.Err())
	}
	defer c.leave()
	if err := c.broken.Load(); err != nil {
		return nil, err
	}
	if signed, err = c.opt.Log.Publish(ctx); err != nil {
		return nil, err
	}
	c.asked, c.begun = signed, c.opt.Mono()
	n, err := c.gather(ctx, signed)
	c.tell(ctx, n, err)
	if err != nil {
		return nil, err
	}
	return n.signed, nil
}

// gather gets a checkpoint cosigned and keeps it. The caller has the turn.
func (c *Client) gather(ctx context.Context, signed []byte) (*cosigned, error) {
	cp, err := evidence.OpenCheckpoint(signed, note.VerifierList(c.known...))
	if err != nil {
		return nil, sallyport.E(sallyport.Integrity, opWitness, "the ledger's checkpoint does not verify").Because(err)
	}
	if err := c.recall(ctx, cp); err != nil {
		return nil, err
	}
	lines, failed, err := c.ask(ctx, cp, signed)
	if err != nil {
		return nil, err
	}
	all := append([]byte{}, signed...)
	for _, line := range lines {
		all = append(all, line...)
	}
	got, err := c.opt.Policy.Check(all, c.known...)
	if err != nil {
		return nil, err
	}
	if !got.Quorum {
		return nil, sallyport.E(sallyport.Unavailable, opWitness, fmt.Sprintf("the witnesses' quorum was not reached; %d of %d cosigned", len(got.By), len(c.opt.Policy.Witnesses))).
			WithHint("the operator must bring the witnesses back").Because(failed)
	}
	old := c.newest.Load()
	n := &cosigned{signed: all, cp: cp, at: c.opt.Now(), mono: c.opt.Mono(), live: true}
	n.wall = n.at.Round(0)
	// The same tree cosigned anew need not be written again.
	if old == nil || old.cp != cp || old.at.IsZero() {
		if err := c.opt.Files.Replace(c.opt.File, all); err != nil {
			return nil, sallyport.E(sallyport.Unavailable, opWitness, "the newest cosigned checkpoint cannot be kept").
				WithHint("look after the disk of the gateway's data directory").Because(err)
		}
	}
	c.newest.Store(n)
	return n, nil
}

// recall compares the checkpoint that an earlier process kept with the log as it
// is now. A ledger that was restored from a copy shows here without any witness.
func (c *Client) recall(ctx context.Context, cp evidence.Checkpoint) error {
	if c.recalled {
		return nil
	}
	if n := c.newest.Load(); n != nil && n.cp.Size > 0 {
		if n.cp.Size > cp.Size {
			return c.breakWith(errors.New("the ledger is shorter than the checkpoint that its witnesses cosigned before"))
		}
		proof, err := c.opt.Log.ConsistencyProof(ctx, n.cp.Size, cp.Size)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, int64(cp.Size), cp.Root, int64(n.cp.Size), n.cp.Root); err != nil {
			return c.breakWith(errors.New("the ledger is not the one whose checkpoint its witnesses cosigned before"))
		}
	}
	c.recalled = true
	return nil
}

// breakWith makes the sticky error of a log that was cut, restored or doubled.
// The first one stays.
func (c *Client) breakWith(why error) error {
	e := sallyport.E(sallyport.Integrity, opWitness, why.Error()+"; nothing was forwarded").
		WithHint("the operator must stop the gateway, keep its data directory as evidence, and either bring the newest ledger back or declare the rollback")
	c.broken.CompareAndSwap(nil, e)
	return c.broken.Load()
}

// tell logs a change between reached and not reached, and what broke.
func (c *Client) tell(ctx context.Context, n *cosigned, err error) {
	switch {
	case err != nil && sallyport.KindOf(err) == sallyport.Integrity:
		c.opt.Logger.Error("the ledger's history is disputed", "err", err)
	case err != nil && !c.down && ctx.Err() == nil:
		c.opt.Logger.Warn("the ledger's checkpoint is not cosigned", "err", err)
	case err == nil && c.down:
		c.opt.Logger.Info("the ledger's checkpoint is cosigned again", "size", n.cp.Size)
	}
	c.down = err != nil
}

// tellMissing logs which witnesses did not cosign, when these are others than in
// the round before.
func (c *Client) tellMissing(ctx context.Context, missing string, err error) {
	if missing != "" && missing != c.missing && ctx.Err() == nil {
		c.opt.Logger.Warn("witnesses did not cosign", "err", err)
	}
	c.missing = missing
}
