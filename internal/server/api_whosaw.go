// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/evidence"
	"github.com/sallyport-dev/sallyport/internal/disclosure"
	"github.com/sallyport-dev/sallyport/internal/vault"
)

const (
	// maxSightings bounds each list of an answer.
	maxSightings = 10_000
	// maxPatient bounds the key of a patient that is asked for, in bytes.
	maxPatient = 1024
)

// openPrivacy reads the privacy keys.
func (g *Gateway) openPrivacy(ctx context.Context) (*disclosure.Keyring, error) {
	var keys []disclosure.Key
	for _, k := range g.cfg.Disclosures.Keys {
		lease, err := g.vault.Lease(ctx, vault.Ref(k.Key))
		if err != nil {
			return nil, err
		}
		keys = append(keys, disclosure.Key{Version: k.Version, Secret: slices.Clone(lease.Password())})
		lease.Release()
	}
	if len(keys) == 0 {
		return nil, nil
	}
	return disclosure.NewKeyring(keys...)
}

// sightings is the answer of POST /v1/audit/who-saw.
type sightings struct {
	Namespace string               `json:"namespace"`
	Resource  sallyport.ResourceID `json:"resource,omitempty"`
	From      time.Time            `json:"from,omitzero"`
	To        time.Time            `json:"to,omitzero"`
	TreeSize  uint64               `json:"tree_size"` // how many events were looked at
	evidence.Sightings
}

// whoSaw answers in which statements a patient is. That it is asked, by whom and
// for what, is on record first; the patient only blinded.
func (a *api) whoSaw(ctx context.Context, r *http.Request, c caller) (any, error) {
	if !c.auditor && !c.privacy {
		return nil, sallyport.E(sallyport.Denied, "api", "this is for auditors and for officers for privacy").
			WithHint("they are named in api.auditors and api.privacy of the gateway's configuration")
	}
	if _, err := query(r); err != nil {
		return nil, err
	}
	var in struct {
		Patient   string               `json:"patient"`
		Namespace string               `json:"namespace"`
		Resource  sallyport.ResourceID `json:"resource"`
		From      string               `json:"from"`
		To        string               `json:"to"`
		Purpose   string               `json:"purpose"`
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	purpose, err := words("purpose", in.Purpose)
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(in.Patient) == "" || len(in.Patient) > maxPatient {
		return nil, invalid("the patient's key is missing or too long", "give the key as the target's tables hold it")
	}
	if strings.Contains(purpose, strings.TrimSpace(in.Patient)) {
		return nil, invalid("the purpose holds the patient's key", "the purpose goes on record in clear; name a case or a ticket instead")
	}
	s := &evidence.Search{Resource: in.Resource, Most: maxSightings}
	if s.From, err = instant("from", in.From); err != nil {
		return nil, err
	}
	if s.To, err = instant("to", in.To); err != nil {
		return nil, err
	}
	if s.Namespace, err = a.namespace(in.Namespace, in.Resource); err != nil {
		return nil, err
	}
	release, err := a.weighty()
	if err != nil {
		return nil, err
	}
	defer release()
	version, subject := a.g.privacy.Subject(s.Namespace, in.Patient)
	e := evidence.WhoSaw{
		By: c.ID, Purpose: purpose, Namespace: s.Namespace, Resource: s.Resource, From: s.From, To: s.To, Key: version, Patient: subject,
	}
	if err := a.g.events.WhoSaw(ctx, e); err != nil {
		return nil, err
	}
	s.Keys = a.g.privacy.Search(s.Namespace, in.Patient)
	out := sightings{Namespace: s.Namespace, Resource: s.Resource, From: s.From, To: s.To, TreeSize: a.g.log.Size()}
	err = a.g.log.Scan(ctx, 0, func(i uint64, leaf []byte) error {
		if i >= out.TreeSize {
			return errEnough
		}
		return s.Leaf(i, leaf)
	})
	if err != nil && err != errEnough { //nolint:errorlint // returned bare by the function above
		return nil, err
	}
	out.Sightings = s.Result()
	out.Found, out.Unknown = nonNil(out.Found), nonNil(out.Unknown)
	out.Unsearched = nonNil(out.Unsearched)
	return out, nil
}

// namespace returns the namespace to search: the given one, that of the resource,
// or the only one.
func (a *api) namespace(given string, id sallyport.ResourceID) (string, error) {
	if a.g.privacy == nil {
		return "", sallyport.E(sallyport.NotFound, "who saw", "the gateway has no privacy key").
			WithHint("name one in disclosures.keys, and the patients' label in resources[].patients")
	}
	var known []string
	for _, r := range a.g.cfg.Resources {
		if r.Patients == nil || id != "" && r.Name != id {
			continue
		}
		if ns := r.Patients.Of(r.Name); !slices.Contains(known, ns) {
			known = append(known, ns)
		}
	}
	switch {
	case given != "":
		return given, nil
	case len(known) == 1:
		return known[0], nil
	case len(known) == 0:
		return "", invalid("no such resource names a key of patients", "give the namespace that it had")
	}
	return "", invalid("the patients' keys are of several namespaces", "give one of them: "+strings.Join(known, ", "))
}
