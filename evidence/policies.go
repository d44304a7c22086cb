// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"slices"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// policies gathers the texts of policies and which of them are named.
type policies struct {
	texts map[sallyport.PolicyDigest]*policyText
	named map[sallyport.PolicyDigest]bool
}

func newPolicies() policies {
	return policies{texts: map[sallyport.PolicyDigest]*policyText{}, named: map[sallyport.PolicyDigest]bool{}}
}

// policyText gathers the parts of a policy's text.
type policyText struct {
	parts []string
	want  int
}

func (p *policyText) whole() bool { return p.want > 0 && !slices.Contains(p.parts, "") }

// add takes a part of a policy's text. Sets that were refused are not policies.
func (p policies) add(b PolicyLoaded) error {
	if b.Error != "" || b.Digest == "" {
		return nil
	}
	t := p.texts[b.Digest]
	if t == nil {
		t = &policyText{}
		p.texts[b.Digest] = t
	}
	parts, part := max(b.Parts, 1), max(b.Part, 1)
	const most = 1 << 12 // of 64 KiB each; a policy is not larger than that
	if parts > most || part > parts || t.want != 0 && t.want != parts {
		return sallyport.E(sallyport.Integrity, opDerive, "the parts of a policy do not fit together")
	}
	if t.want == 0 {
		t.want, t.parts = parts, make([]string, parts)
	}
	if b.Text != "" {
		t.parts[part-1] = b.Text
	}
	return nil
}

// name says that an event rests on a policy.
func (p policies) name(digest sallyport.PolicyDigest) {
	if digest != "" && !p.named[digest] {
		p.named[digest] = true
	}
}

// text returns a policy's text, "" when it is not whole.
func (p policies) text(digest sallyport.PolicyDigest) string {
	if t := p.texts[digest]; t != nil && t.whole() {
		return strings.Join(t.parts, "")
	}
	return ""
}

// files returns the texts that are whole, by digest.
func (p policies) files() []File {
	var files []File
	for digest, t := range p.texts {
		if t.whole() && validName(string(digest)) {
			files = append(files, File{PolicyDir + string(digest) + ".cedar", []byte(strings.Join(t.parts, ""))})
		}
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files
}

// unknown lists the digests that events name and whose whole text is not among
// them.
func (p policies) unknown() (out []string) {
	for digest := range p.named {
		if t := p.texts[digest]; t == nil || !t.whole() {
			out = append(out, string(digest))
		}
	}
	slices.Sort(out)
	return out
}
