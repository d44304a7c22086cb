// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package detector_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/detector"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that a test sets.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newClock() *clock { return &clock{time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)} }

// service is a stand-in for what is behind an Ask.
type service struct {
	calls  [][]string
	answer func(ctx context.Context, texts []string) ([][]scan.Span, error)
}

func (s *service) ask(ctx context.Context, texts []string) ([][]scan.Span, error) {
	s.calls = append(s.calls, texts)
	return s.answer(ctx, texts)
}

// first finds a name in the first byte of every text.
func first(_ context.Context, texts []string) ([][]scan.Span, error) {
	out := make([][]scan.Span, len(texts))
	for i := range out {
		out[i] = []scan.Span{{Start: 0, End: 1, Entity: scan.Name}}
	}
	return out, nil
}

func newService(t *testing.T, s *service, c detector.Config) *detector.Service {
	t.Helper()
	d, err := detector.NewService("test", c, s.ask)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func batch(texts ...string) [][]byte {
	out := make([][]byte, len(texts))
	for i, s := range texts {
		out[i] = []byte(s)
	}
	return out
}

func TestDetectKeepsPlaces(t *testing.T) {
	t.Parallel()
	s := &service{answer: first}
	got, err := newService(t, s, detector.Config{Now: newClock().now}).Detect(t.Context(), batch("", "a", "", "b"))
	if err != nil {
		t.Fatal(err)
	}
	name := []scan.Span{{Start: 0, End: 1, Entity: scan.Name}}
	if diff := cmp.Diff([][]scan.Span{nil, name, nil, name}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]string{{"a", "b"}}, s.calls); diff != "" {
		t.Errorf("the service was asked otherwise: %s", diff)
	}
}

func TestSpansAreCheckedAndJoined(t *testing.T) {
	t.Parallel()
	type spans = []scan.Span
	span := func(start, end int, e scan.Entity) scan.Span { return scan.Span{Start: start, End: end, Entity: e} }
	for name, tt := range map[string]struct {
		text       string
		give, want spans
	}{
		"order":          {"abcdef", spans{span(4, 6, scan.Name), span(0, 2, scan.Date)}, spans{span(0, 2, scan.Date), span(4, 6, scan.Name)}},
		"neighbours":     {"abcdef", spans{span(0, 2, scan.Name), span(2, 4, scan.Name)}, spans{span(0, 2, scan.Name), span(2, 4, scan.Name)}},
		"overlap":        {"abcdef", spans{span(0, 2, scan.Date), span(1, 6, scan.Name)}, spans{span(0, 6, scan.Name)}},
		"inside":         {"abcdef", spans{span(1, 2, scan.Date), span(0, 6, scan.Name)}, spans{span(0, 6, scan.Name)}},
		"twice":          {"abcdef", spans{span(1, 2, scan.Date), span(1, 2, scan.Date)}, spans{span(1, 2, scan.Date)}},
		"whole":          {"é", spans{span(0, 2, scan.Name)}, spans{span(0, 2, scan.Name)}},
		"negative":       {"abc", spans{span(-1, 2, scan.Name)}, nil},
		"behind the end": {"abc", spans{span(0, 4, scan.Name)}, nil},
		"empty":          {"abc", spans{span(1, 1, scan.Name)}, nil},
		"backwards":      {"abc", spans{span(2, 1, scan.Name)}, nil},
		"cut start":      {"éa", spans{span(1, 3, scan.Name)}, nil},
		"cut end":        {"aé", spans{span(0, 2, scan.Name)}, nil},
		"no entity":      {"abc", spans{span(0, 2, scan.None)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &service{answer: func(context.Context, []string) ([][]scan.Span, error) { return [][]scan.Span{tt.give}, nil }}
			got, err := newService(t, s, detector.Config{Now: newClock().now}).Detect(t.Context(), batch(tt.text))
			if tt.want == nil {
				if sallyport.KindOf(err) != sallyport.Integrity {
					t.Errorf("got %v and %v, want an error of integrity", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([][]scan.Span{tt.want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTextsThatCannotBeAskedAbout(t *testing.T) {
	t.Parallel()
	s := &service{answer: first}
	d := newService(t, s, detector.Config{Now: newClock().now})
	for name, tt := range map[string]struct {
		text string
		want sallyport.Kind
	}{
		"not UTF-8": {"a\xff", sallyport.Invalid},
		"too large": {strings.Repeat("a", 500<<10+1), sallyport.Exhausted},
	} {
		if _, err := d.Detect(t.Context(), batch("fine", tt.text)); sallyport.KindOf(err) != tt.want {
			t.Errorf("%s: got %v, want kind %v", name, err, tt.want)
		}
	}
	if len(s.calls) > 0 {
		t.Errorf("the service was asked %d times", len(s.calls))
	}
}

func TestBatchesAreCut(t *testing.T) {
	t.Parallel()
	s := &service{answer: first}
	d := newService(t, s, detector.Config{Now: newClock().now})
	var texts []string
	for range 130 {
		texts = append(texts, "x")
	}
	big := strings.Repeat("y", 300<<10)
	texts = append(texts, big, big)
	got, err := d.Detect(t.Context(), batch(texts...))
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for _, c := range s.calls {
		sizes = append(sizes, len(c))
	}
	if diff := cmp.Diff([]int{64, 64, 3, 1}, sizes); diff != "" {
		t.Error(diff)
	}
	if len(got) != len(texts) || len(got[131]) != 1 {
		t.Errorf("%d answers for %d texts", len(got), len(texts))
	}
}

func TestPartialAnswerIsNone(t *testing.T) {
	t.Parallel()
	s := &service{answer: func(ctx context.Context, texts []string) ([][]scan.Span, error) { return first(ctx, texts[1:]) }}
	if _, err := newService(t, s, detector.Config{Now: newClock().now}).Detect(t.Context(), batch("a", "b")); sallyport.KindOf(err) != sallyport.Integrity {
		t.Errorf("got %v", err)
	}
}

// TestDeadlines holds the limits of a value and of a batch apart: each of them
// alone ends a service that never answers.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]detector.Config{
		"value": {ValueTimeout: time.Millisecond, BatchTimeout: time.Hour},
		"batch": {ValueTimeout: time.Hour, BatchTimeout: time.Millisecond},
	} {
		c.Now = newClock().now
		s := &service{answer: func(ctx context.Context, _ []string) ([][]scan.Span, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		if _, err := newService(t, s, c).Detect(t.Context(), batch("a", "b")); !errors.Is(err, context.DeadlineExceeded) || sallyport.KindOf(err) != sallyport.Unavailable {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	fails := true
	s := &service{}
	s.answer = func(ctx context.Context, texts []string) ([][]scan.Span, error) {
		if fails {
			return nil, errors.New("out of order")
		}
		return first(ctx, texts)
	}
	c := newClock()
	d := newService(t, s, detector.Config{Now: c.now})
	detect := func(wantErr bool, wantCalls int) {
		t.Helper()
		_, err := d.Detect(t.Context(), batch("a"))
		if (err != nil) != wantErr || len(s.calls) != wantCalls {
			t.Fatalf("error %v after %d calls, want error %v after %d", err, len(s.calls), wantErr, wantCalls)
		}
	}
	for n := range 5 {
		detect(true, n+1)
	}
	detect(true, 5) // open: not asked
	c.t = c.t.Add(29 * time.Second)
	detect(true, 5)
	c.t = c.t.Add(time.Second)
	detect(true, 6) // one try, which fails
	detect(true, 6) // open again
	c.t = c.t.Add(30 * time.Second)
	fails = false
	detect(false, 7)
	detect(false, 8) // closed
	fails = true
	for n := range 4 {
		detect(true, 9+n)
	}
	fails = false
	detect(false, 13) // four failures are not five
}

// TestBreakerLetsOneTry asks a second time while the try is out.
func TestBreakerLetsOneTry(t *testing.T) {
	t.Parallel()
	s := &service{answer: func(context.Context, []string) ([][]scan.Span, error) { return nil, errors.New("out of order") }}
	c := newClock()
	d := newService(t, s, detector.Config{Now: c.now})
	for range 5 {
		_, _ = d.Detect(t.Context(), batch("a"))
	}
	c.t = c.t.Add(time.Minute)
	s.answer = func(ctx context.Context, texts []string) ([][]scan.Span, error) {
		if _, err := d.Detect(ctx, batch("b")); err == nil {
			return nil, errors.New("a second call was let through")
		}
		return first(ctx, texts)
	}
	if _, err := d.Detect(t.Context(), batch("a")); err != nil {
		t.Error(err)
	}
}

// TestBreakerDoesNotCountTheCaller gives up as the caller; that says nothing
// about the service, and must not leave a try open either.
func TestBreakerDoesNotCountTheCaller(t *testing.T) {
	t.Parallel()
	s := &service{}
	d := newService(t, s, detector.Config{Now: newClock().now})
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		s.answer = func(ctx context.Context, _ []string) ([][]scan.Span, error) {
			cancel()
			<-ctx.Done()
			return nil, ctx.Err()
		}
		if _, err := d.Detect(ctx, batch("a")); err == nil {
			t.Fatal("a cancelled call succeeded")
		}
	}
	s.answer = first
	if _, err := d.Detect(t.Context(), batch("a")); err != nil {
		t.Error(err)
	}
}

func TestCache(t *testing.T) {
	t.Parallel()
	s := &service{answer: first}
	c := newClock()
	d := newService(t, s, detector.Config{Now: c.now, CacheKey: []byte("0123456789abcdef"), CacheEntries: 4, CacheTTL: time.Minute})
	asked := func(texts ...string) int {
		t.Helper()
		before := 0
		for _, c := range s.calls {
			before += len(c)
		}
		got, err := d.Detect(t.Context(), batch(texts...))
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if len(got[i]) != 1 {
				t.Fatalf("%d findings", len(got[i]))
			}
			got[i][0].End = 99 // the cache's own must not change
		}
		after := 0
		for _, c := range s.calls {
			after += len(c)
		}
		return after - before
	}
	for i, tt := range []struct {
		texts []string
		want  int
	}{
		{[]string{"a"}, 1},
		{[]string{"a"}, 0},
		{[]string{"a", "b"}, 1},
		{[]string{"c", "d", "e", "f"}, 4},
		{[]string{"a"}, 1}, // pushed out
		{[]string{"f"}, 0},
	} {
		if n := asked(tt.texts...); n != tt.want {
			t.Errorf("step %d: asked about %d texts, want %d", i, n, tt.want)
		}
	}
	c.t = c.t.Add(time.Minute)
	if n := asked("f"); n != 1 {
		t.Error("an entry outlived its time")
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]detector.Config{
		"no clock":  {},
		"negative":  {Now: newClock().now, ValueTimeout: -1},
		"short key": {Now: newClock().now, CacheEntries: 1, CacheKey: []byte("short")},
	} {
		if _, err := detector.NewService("test", c, first); sallyport.KindOf(err) != sallyport.Invalid {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestCodePoints(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "plain", "é", "e\u0301x", "a😀b", "\u200d👩\u200d⚕️ Dr. Ωmega", "\u0000x"} {
		c := detector.NewCodePoints(text)
		runes := []rune(text)
		for i := range len(runes) + 1 {
			got, ok := c.Byte(i)
			if want := len(string(runes[:i])); !ok || got != want {
				t.Errorf("%q: code point %d is at byte %d (%v), want %d", text, i, got, ok, want)
			}
		}
		for _, i := range []int{-1, len(runes) + 1} {
			if _, ok := c.Byte(i); ok {
				t.Errorf("%q: there is no code point %d", text, i)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	s := newService(t, &service{}, detector.Config{Now: newClock().now, Version: "2.2.360+en-lg"})
	if got := fmt.Sprint(s.Name(), " ", s.Version()); got != "test 2.2.360+en-lg" {
		t.Error(got)
	}
}
