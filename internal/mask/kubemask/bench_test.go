// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubemask_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-dev/sallyport/internal/mask/kubemask"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
)

// pods are a list of pods of one Deployment, which differ as such pods do.
func pods(n int) []byte {
	var env, fields []string
	for i := range 12 {
		env = append(env, fmt.Sprintf(`{"name":"SETTING_%d","value":"value-%d-of-the-claims-service"}`, i, i))
		fields = append(fields, fmt.Sprintf(`"k:{\"name\":\"SETTING_%d\"}":{".":{},"f:name":{},"f:value":{}}`, i))
	}
	var b bytes.Buffer
	b.WriteString(`{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"2071"},"items":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"metadata":{"name":"claims-%04d","namespace":"clinic","uid":"cdaaf604-4cb0-46c8-9a30-0d6a0%07d","resourceVersion":"%d","generation":1,"creationTimestamp":"2026-11-29T13:53:%02dZ",`+
			`"labels":{"app":"claims","team":"billing"},"annotations":{"checksum/config":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","note":"ask about SSN 219-09-9991 of a test person"},`+
			`"managedFields":[{"manager":"kubectl","operation":"Update","apiVersion":"v1","time":"2026-11-29T13:53:33Z","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:labels":{".":{},"f:app":{},"f:team":{}}},`+
			`"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:env":{".":{},%s},"f:image":{},"f:imagePullPolicy":{}}}}}}]},`+
			`"spec":{"containers":[{"name":"main","image":"registry.example/claims:1.2.3","env":[%s],"resources":{},"terminationMessagePath":"/dev/termination-log","imagePullPolicy":"IfNotPresent"}],"restartPolicy":"Always",`+
			`"nodeName":"node-%d","tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]},`+
			`"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-11-29T13:53:%02dZ"}],"podIP":"10.0.0.%d"}}`,
			i, i, 332+i, i%60, strings.Join(fields, ","), strings.Join(env, ","), i%9, i%60, i%250)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func BenchmarkPods(b *testing.B) {
	m := masks(b, "imagePullPolicy", "f:imagePullPolicy", "f:image", "f:name", "f:value", "f:labels", "f:metadata", "f:spec", "f:containers", "f:env")
	doc := pods(1000)
	const piece = 64 << 10
	for name, p := range map[string]kubemask.Plan{"scan": {Base: kubemask.Scan, Builtin: true}, "strict": {Builtin: true}, "scan-other": {Base: kubemask.Scan}} {
		b.Run(name, func(b *testing.B) {
			var work text.Work
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				w, err := m.Writer(p, &work, io.Discard)
				if err != nil {
					b.Fatal(err)
				}
				for part := range slices.Chunk(doc, piece) {
					if _, err := w.Write(part); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Flush(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
