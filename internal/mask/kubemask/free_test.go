// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubemask_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/kubemask"
)

// free is a text that a program or a person writes where the API expects a word.
const free = "SSN " + ssn

// TestFreeText: where the API server takes any text, a text is not shown because of where
// it stands.
func TestFreeText(t *testing.T) {
	t.Parallel()
	m := masks(t)
	for _, at := range []string{
		`"reason":%s`, `"action":%s`, `"type":%s`, `"reportingComponent":%s`, `"reportingInstance":%s`, `"source":{"component":%s}`,
		`"involvedObject":{"name":%s}`, `"involvedObject":{"fieldPath":%s}`, `"regarding":{"kind":%s}`, `"related":{"name":%s}`,
		`"details":{"causes":[{"field":%s,"reason":%[1]s}],"name":%[1]s}`,
		`"metadata":{"ownerReferences":[{"name":%s,"kind":"x"}]}`, `"metadata":{"managedFields":[{"manager":%s}]}`,
		`"status":{"conditions":[{"type":%s}]}`, `"status":{"conditions":[{"reason":%s,"status":%[1]s}]}`,
		`"status":{"containerStatuses":[{"state":{"terminated":{"reason":%s,"message":%[1]s}}}]}`,
		`"status":{"containerStatuses":[{"state":{"waiting":{"reason":%s}}}]}`,
		`"status":{"initContainerStatuses":[{"lastState":{"terminated":{"reason":%s}},"image":%[1]s}]}`,
		`"spec":{"containers":[{"image":%s}]}`, `"spec":{"containers":[{"env":[{"name":%s}]}]}`, `"spec":{"containers":[{"terminationMessagePath":%s}]}`,
		`"spec":{"containers":[{"volumeMounts":[{"mountPath":%s}]}]}`, `"spec":{"securityContext":{"seLinuxOptions":{"user":%s}}}`,
		`"spec":{"template":{"spec":{"tolerations":[{"value":%s}]}}}`, `"spec":{"jobTemplate":{"spec":{"template":{"spec":{"securityContext":{"windowsOptions":{"gmsaCredentialSpec":%s}}}}}}}`,
		`"spec":{"holderIdentity":%s}`, `"spec":{"taints":[{"value":%s}]}`, `"spec":{"resources":{"limits":{%s:"1"}}}`,
		`"rules":[{"resourceNames":[%s]}]`, `"subjects":[{"name":%s}]`,
		`"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":{"kind":%s,"metadata":{"name":%[1]s,"uid":%[1]s},"spec":{"clusterIP":%[1]s}}}}`,
	} {
		in := fmt.Sprintf(`{"kind":"X","apiVersion":"v1",`+at+`}`, `"`+free+`"`)
		for _, in := range []string{in, `{"items":[` + in + `]}`, `{"type":"ADDED","object":` + in + `}`} {
			for _, p := range []kubemask.Plan{{Base: kubemask.Scan, Builtin: true}, {Base: kubemask.Scan}, {Builtin: true}, {}} {
				out, err := run(t, m, p, in, 1<<10)
				if err != nil || !json.Valid([]byte(out)) || strings.Contains(out, ssn) {
					t.Errorf("%+v %s: %v\n%s", p, in, err, out)
				}
			}
		}
	}
}

// TestForms: what has the form that the API gives it stays.
func TestForms(t *testing.T) {
	t.Parallel()
	m := masks(t)
	const event = `{"kind":"Event","apiVersion":"v1","metadata":{"name":"web-1.17a","ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-7d4","uid":"0c9f1a52-9d5f-4b3a-8d2b-2125550142ab","controller":true}],` +
		`"managedFields":[{"manager":"kube-controller-manager"}]},"involvedObject":{"kind":"Pod","name":"web-1","fieldPath":"spec.containers{main}"},"reason":"FailedScheduling","type":"Warning",` +
		`"source":{"component":"default-scheduler"},"reportingComponent":"default-scheduler","status":{"conditions":[{"type":"ContainersReady","status":"False","reason":"BackOff2"}],` +
		`"containerStatuses":[{"state":{"terminated":{"reason":"OOMKilled"}},"imageID":"docker.io/library/web@sha256:1c0c"}]},"spec":{"containers":[{"env":[{"name":"DB_HOST"}],"resources":{"limits":{"cpu":"100m"}}}]}}`
	for _, base := range []kubemask.Level{kubemask.Whole, kubemask.Scan} {
		out, err := run(t, m, kubemask.Plan{Base: base, Builtin: true}, event, 100)
		want := event
		if base == kubemask.Whole {
			want = strings.Replace(event, `,"managedFields":[{"manager":"kube-controller-manager"}]`, "", 1)
		}
		if err != nil || out != want {
			t.Errorf("%d: %v\ngot  %s\nwant %s", base, err, out, want)
		}
	}
	// Of a type that is not Kubernetes' own nobody knows what stands in a condition.
	const other = `{"kind":"X","status":{"conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-12T09:30:00Z","observedGeneration":3}],"observedGeneration":3}}`
	if out, err := run(t, m, kubemask.Plan{}, other, 100); err != nil || out != other {
		t.Errorf("%v\n%s", err, out)
	}
	for _, value := range []string{`"lastTransitionTime":"900-11-2233"`, `"observedGeneration":"900-11-2233"`, `"type":"Call212-555-0101"`, `"status":"n9001122"`} {
		in := `{"kind":"X","status":{"conditions":[{` + value + `}]}}`
		if out, err := run(t, m, kubemask.Plan{}, in, 100); err != nil || strings.Contains(out, value) {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// TestAnnotations: tools beside kubectl repeat a whole object in an annotation of theirs.
func TestAnnotations(t *testing.T) {
	t.Parallel()
	m := masks(t)
	const value = "aHVudGVyMi1jYW5hcnk="
	in := `{"kind":"Secret","metadata":{"annotations":{"clinic.example/original":"{\"data\":{\"password\":\"` + value + `\"}}","clinic.example/note":"kept for the night shift",` +
		`"clinic.example/list":" [\"` + value + `\"]",` +
		`"kubectl.kubernetes.io/last-applied-configuration":"{\"data\":{\"password\":\"` + value + `\"}}"}},"data":{"password":"` + value + `"}}`
	for _, p := range []kubemask.Plan{
		{Base: kubemask.Scan, Data: kubemask.SecretData, Builtin: true},
		{Base: kubemask.Raw, Data: kubemask.SecretData, Builtin: true},
		{Base: kubemask.Scan, Data: kubemask.ConfigMapData, DataLevel: kubemask.Whole, Builtin: true},
	} {
		for _, in := range []string{in, `{"kind":"List","items":[` + in + `]}`, `{"rows":[{"cells":[],"object":` + in + `}]}`} {
			out, err := run(t, m, p, in, 100)
			if err != nil || strings.Contains(out, value) || !strings.Contains(out, "kept for the night shift") || !strings.Contains(out, `last-applied-configuration":"{\"data\":{`) {
				t.Errorf("%+v: %v\n%s", p, err, out)
			}
		}
	}
}

// TestErrors: the words of an error may repeat what the object holds, whole.
func TestErrors(t *testing.T) {
	t.Parallel()
	m := masks(t)
	const value = `aHVudGVyMi1jYW5hcnk=`
	echo := `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":" \"\" is invalid: patch: Invalid value: \"{\\\"data\\\":{\\\"password\\\":\\\"` + value + `\\\"}}\": no kind",` +
		`"reason":"Invalid","details":{"name":"db","kind":"Secret","causes":[{"reason":"FieldValueInvalid","message":"Invalid value: \"{\\\"password\\\":\\\"` + value + `\\\"}\"","field":"patch"}]},"code":422}`
	for _, p := range []kubemask.Plan{
		{Base: kubemask.Scan, Data: kubemask.SecretData, Builtin: true, Withheld: true},
		{Base: kubemask.Raw, Data: kubemask.SecretData, Builtin: true, Withheld: true},
		{Base: kubemask.Scan, Data: kubemask.ConfigMapData, Builtin: true, Withheld: true},
		{Base: kubemask.Raw, Data: kubemask.ConfigMapData, DataLevel: kubemask.Scan, Builtin: true, Withheld: true},
		{Base: kubemask.Scan, Builtin: true},
		{Builtin: true},
		{Base: kubemask.Scan},
	} {
		out, err := run(t, m, p, echo, 100)
		if err != nil || !json.Valid([]byte(out)) || strings.Contains(out, value) {
			t.Errorf("%+v: %v\n%s", p, err, out)
		}
		if p.Builtin && (!strings.Contains(out, `"reason":"Invalid"`) || !strings.Contains(out, `"field":"patch"`)) {
			t.Errorf("%+v: what the error is about is gone\n%s", p, out)
		}
	}
	const plain = `{"kind":"Status","message":"Deployment \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"}`
	if out, err := run(t, m, kubemask.Plan{Base: kubemask.Scan, Builtin: true}, plain, 100); err != nil || out != plain {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := run(t, m, kubemask.Plan{Base: kubemask.Raw, Data: kubemask.SecretData, DataLevel: kubemask.Raw, Builtin: true, Withheld: true}, echo, 100); err != nil || !strings.Contains(out, value) {
		t.Errorf("raw: %v\n%s", err, out)
	}
}

// TestCredentials: what a cluster issues is masked like what a Secret holds.
func TestCredentials(t *testing.T) {
	t.Parallel()
	m := masks(t)
	for _, in := range []string{
		`{"kind":"CertificateSigningRequest","spec":{"request":"eA=="},"status":{"certificate":"Y2FuYXJ5"}}`, `{"kind":"TokenReview","spec":{"token":"canary"},"status":{"authenticated":true}}`,
		`{"kind":"PodCertificateRequest","status":{"certificateChain":"canary"}}`, `{"kind":"TokenRequest","status":{"token":"canary"}}`,
	} {
		for _, in := range []string{in, `{"kind":"List","items":[` + in + `]}`} {
			for _, base := range []kubemask.Level{kubemask.Whole, kubemask.Scan, kubemask.Raw} {
				out, err := run(t, m, kubemask.Plan{Base: base, Data: kubemask.CredentialData, DataLevel: kubemask.Scan, Builtin: true}, in, 100)
				if err != nil || strings.Contains(out, "canary") || strings.Contains(out, "Y2FuYXJ5") {
					t.Errorf("%d: %v\n%s", base, err, out)
				}
			}
		}
	}
}
