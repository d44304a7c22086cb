// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package payload_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-dev/sallyport/internal/mask/payload"
)

// TestDisguised has payloads of one kind that look like another. What Sniff takes
// them for must not show the name that they hold.
func TestDisguised(t *testing.T) {
	t.Parallel()
	m := masks(t, payload.Options{})
	const patient = `{"resourceType": "Patient", "name": [{"family": "zyblorgh"}]}`
	for name, in := range map[string]string{
		"a resource with its type in escapes":  `{"resource\u0054ype": "Patient", "name": [{"family": "zyblorgh"}]}`,
		"lines of resources, in escapes":       strings.Repeat(`{"resource\u0054ype": "Patient", "name": [{"family": "zyblorgh"}]}`+"\n", 2),
		"a resource that says its type late":   `{"x": "` + strings.Repeat("x", payload.HeadLen) + `", "resourceType": "Patient", "name": [{"family": "zyblorgh"}]}`,
		"an array of resources":                "[" + patient + "]",
		"a resource in an object":              `{"data": ` + patient + `}`,
		"two resources":                        patient + patient,
		"messages in the log of an interface":  "received\nMSH|^~\\&|A\nPID|1||4711||zyblorgh^ada\n",
		"a document in PDF":                    "%PDF-1.4\n(zyblorgh) Tj\n%%EOF\n",
		"a message in armour":                  "-----BEGIN X-----\nenlibG9yZ2g= zyblorgh\n-----END X-----\n",
		"base64":                               strings.Repeat(strings.Repeat("zyblorgh", 8)+"\n", 3),
		"a table in UTF-16":                    "\xff\xfei\x00d\x00,\x00n\x00a\x00m\x00e\x00\n\x001\x00,\x00z\x00y\x00\n\x00",
		"a table that names its separator":     "sep=;\nid;name\n1;zyblorgh\n",
		"a resource in UTF-16":                 "\xff\xfe{\x00\"\x00z\x00y\x00\"\x00:\x001\x00}\x00",
		"a resource behind a byte order mark":  "\ufeff" + patient,
		"a table with a separator, in Windows": "sep=;\r\nid;name\r\n1;zyblorgh\r\n",
	} {
		kind := payload.Sniff([]byte(in)[:min(len(in), payload.HeadLen)])
		got, _ := run(t, m, kind, []byte(in))
		if strings.Contains(got, "zyblorgh") || strings.Contains(got, "zy") {
			t.Errorf("%s, taken for %s: %.200s", name, kind, got)
		}
	}
}

func TestTables(t *testing.T) {
	t.Parallel()
	m := masks(t, payload.Options{})
	for in, want := range map[string]string{
		"sep=;\nid;ssn\n1;2\n":                "sep=;\nid;ssn\n[ID];[SSN]\n",
		"\ufeffsep=\t\r\nid\tssn\r\n1\t2\r\n": "\ufeffsep=\t\r\nid\tssn\r\n[ID]\t[SSN]\r\n",
		"Ada,900112233\nBen,900112234\n":      "[UNPARSABLE]\n",
		"name,2025,2026\nAda,1,2\n":           "name,2025,2026\n[NAME],1,2\n",
	} {
		got, _ := run(t, m, payload.CSV, []byte(in))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", in, diff)
		}
	}
}
