// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"

	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/session"
)

// maxMetadata bounds an object's metadata, in bytes; a cluster's own limit for a whole
// object is the same.
const maxMetadata = 4 << 20

// lookUp finds the labels of the object that a request is about, so that policy can
// decide by them: what it has, what it will have, or both. It asks as whom the request
// is from, and not where policy denies whatever the labels are. Labels that cannot be found
// stay unknown.
func (e *exchange) lookUp(ctx context.Context) error {
	switch {
	case !e.c.IsResource:
		return nil
	case e.c.Verb == "create" && e.c.Subresource == "" && e.body.doc != nil:
		e.c.Labels, e.c.LabelsKnown = pairs(e.body.doc.Labels()), true
		return nil
	case !e.c.changes() || e.sess.Hopeless(e.command()):
		return nil
	}
	if err := e.sess.Witnessed(ctx, func() session.Command { return e.command() }); err != nil {
		return err
	}
	labels, uid, known, err := e.t.metadata(ctx, e.sess, e.c)
	if err != nil {
		return err
	}
	if known && e.body.doc != nil { // a subresource can change labels as well
		for k, v := range e.body.doc.Labels() {
			if old, ok := labels[k]; ok && old != v {
				e.c.Labels = append(e.c.Labels, k+"="+v) // beside the one that it has now
				continue
			}
			labels[k] = v
		}
	}
	e.uid = uid
	e.c.Labels, e.c.LabelsKnown = append(e.c.Labels, pairs(labels)...), known
	return nil
}

// metadata asks for the labels and the uid of an object. known is false where the
// cluster does not tell; there is an error only where it does not answer.
func (t *Target) metadata(ctx context.Context, s *session.Session, c *call) (labels map[string]string, uid string, known bool, err error) {
	h := http.Header{"Accept": {"application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}, "Accept-Encoding": {"identity"}}
	if err := t.cfg.Impersonate.headers(h, s); err != nil {
		return nil, "", false, err
	}
	res, err := upstream.Look(ctx, t.client, s, t.at(c.object(), ""), h)
	if err != nil {
		return nil, "", false, err
	}
	defer res.Body.Close() //nolint:errcheck // it was read as far as it is needed
	if res.StatusCode == http.StatusNotFound {
		return map[string]string{}, "", true, nil // there is none
	}
	var doc struct {
		Metadata struct {
			UID    string            `json:"uid"`
			Labels map[string]string `json:"labels"`
		} `json:"metadata"`
	}
	if res.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(res.Body, maxMetadata)).Decode(&doc) != nil || doc.Metadata.UID == "" {
		return nil, "", false, nil
	}
	labels = maps.Clone(doc.Metadata.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	return labels, doc.Metadata.UID, true, nil
}

// pairs are labels as policies have them.
func pairs(labels map[string]string) []string {
	out := make([]string, 0, len(labels))
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		out = append(out, k+"="+labels[k])
	}
	return out
}
