// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"fmt"
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Bucket is what an operator says of a bucket.
type Bucket struct {
	Name string
	// Labels are those of what its objects hold.
	Labels []sallyport.Label
	// Plain says that names of objects hold no data, so that they may stand on
	// record and in policies.
	Plain bool
	// Prefixes say otherwise for names that begin so. The longest that fits counts.
	Prefixes []Prefix
}

// Prefix is what an operator says of objects whose names begin alike.
type Prefix struct {
	Prefix string
	Labels []sallyport.Label // nil for those of the bucket
	Plain  bool
}

// Layout knows the buckets of a resource. It does not change and is safe for
// concurrent use.
type Layout struct {
	buckets map[string]Bucket
	only    bool
}

// NewLayout makes a layout. only refuses buckets that are not in it. Errors have
// kind Invalid.
func NewLayout(buckets []Bucket, only bool) (*Layout, error) {
	l := &Layout{buckets: map[string]Bucket{}, only: only}
	for _, b := range buckets {
		if !bucketName(b.Name) {
			return nil, invalid("%q is no name of a bucket", b.Name)
		}
		if _, twice := l.buckets[b.Name]; twice {
			return nil, invalid("the bucket %q is there twice", b.Name)
		}
		seen := map[string]bool{}
		for _, p := range b.Prefixes {
			if p.Prefix == "" || len(p.Prefix) > maxName || seen[p.Prefix] || strings.HasPrefix(p.Prefix, "/") || strings.Contains(p.Prefix, "//") {
				return nil, invalid("the prefix %q of %q is empty, there twice, or has empty parts", p.Prefix, b.Name)
			}
			seen[p.Prefix] = true
		}
		slices.SortStableFunc(b.Prefixes, func(x, y Prefix) int { return len(y.Prefix) - len(x.Prefix) })
		l.buckets[b.Name] = b
	}
	return l, nil
}

func invalid(format string, args ...any) error {
	return sallyport.E(sallyport.Invalid, "buckets", fmt.Sprintf(format, args...))
}

// Place is where an object lies, as far as policies and the record know.
type Place struct {
	// Path are the parts of its object: bucket, the prefix's parts, and "*" for
	// what a name has beyond what an operator wrote.
	Path   []string
	Labels []sallyport.Label
}

// Name is the place as it stands on record.
func (p Place) Name() string { return strings.Join(p.Path, "/") }

// object returns where an object lies.
func (l *Layout) object(bucket, name string) Place {
	b := l.buckets[bucket]
	labels, plain, known := b.Labels, b.Plain, ""
	for _, p := range b.Prefixes {
		if strings.HasPrefix(name, p.Prefix) {
			plain, known = p.Plain, p.Prefix
			if p.Labels != nil {
				labels = p.Labels
			}
			break
		}
	}
	path := []string{bucket}
	if plain {
		return Place{append(path, parts(name)...), labels}
	}
	return Place{append(append(path, parts(known)...), "*"), labels}
}

// Home returns the place that a listing shows an object in.
func (l *Layout) Home(bucket, name string) Place {
	b := l.buckets[bucket]
	for _, p := range b.Prefixes {
		if strings.HasPrefix(name, p.Prefix) {
			return l.folder(b, p)
		}
	}
	return Place{[]string{bucket, "*"}, b.Labels}
}

// parts splits a name at its slashes; what is empty between two becomes "*", since
// a policy's path has no empty part.
func parts(name string) []string {
	name = strings.TrimSuffix(name, "/")
	if name == "" {
		return nil
	}
	out := strings.Split(name, "/")
	for i, p := range out {
		if p == "" {
			out[i] = "*"
		}
	}
	return out
}

// listed returns the places that a listing of a bucket can show: those of its
// prefixes that a name which begins with prefix can lie in, and that of the rest.
func (l *Layout) listed(bucket, prefix string) []Place {
	b := l.buckets[bucket]
	out := []Place{{[]string{bucket, "*"}, b.Labels}}
	for _, p := range b.Prefixes {
		if strings.HasPrefix(prefix, p.Prefix) {
			// All that is listed lies here or deeper.
			return append([]Place{l.folder(b, p)}, l.deeper(b, p, prefix)...)
		}
	}
	return append(out, l.deeper(b, Prefix{}, prefix)...)
}

func (l *Layout) deeper(b Bucket, above Prefix, prefix string) (out []Place) {
	for _, p := range b.Prefixes {
		if p.Prefix != above.Prefix && strings.HasPrefix(p.Prefix, prefix) {
			out = append(out, l.folder(b, p))
		}
	}
	return out
}

func (l *Layout) folder(b Bucket, p Prefix) Place {
	labels := b.Labels
	if p.Labels != nil {
		labels = p.Labels
	}
	return Place{append(append([]string{b.Name}, parts(p.Prefix)...), "*"), labels}
}

// bucketName reports whether s can be a bucket's name (Cloud Storage, "Bucket
// names"), which may stand on record.
func bucketName(s string) bool {
	return len(s) >= 3 && len(s) <= 222 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}
