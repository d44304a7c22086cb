// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/payload"
)

// maxStatus bounds what a cluster says of how a program ended, or of why it refuses
// one, in bytes.
const maxStatus = 64 << 10

// ended is what a cluster, or the gateway, says of how a program ended.
type ended struct {
	Kind     string   `json:"kind,omitempty"`
	Version  string   `json:"apiVersion,omitempty"`
	Metadata struct{} `json:"metadata"`
	Status   string   `json:"status"`
	Message  string   `json:"message,omitempty"`
	Reason   string   `json:"reason,omitempty"`
	Details  *causes  `json:"details,omitempty"`
	Code     int      `json:"code,omitempty"`
}

type causes struct {
	Causes []cause `json:"causes"`
}

type cause struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// The API's words for ends.
const (
	succeeded   = "Success"
	failure     = "Failure"
	nonZero     = "NonZeroExitCode"
	causeOfCode = "ExitCode"
)

// readEnd reads how a program ended. known is false where the cluster says that it did
// not run, or nothing that can be read; said is what it says then.
func readEnd(b []byte) (code int, known bool, said string) {
	var e ended
	if err := json.Unmarshal(b, &e); err != nil {
		return 0, false, ""
	}
	if e.Status == succeeded {
		return 0, true, ""
	}
	if e.Reason == nonZero && e.Details != nil {
		for _, c := range e.Details.Causes {
			if n, err := strconv.Atoi(c.Message); c.Reason == causeOfCode && err == nil && n > 0 && n < 1<<16 {
				return n, true, ""
			}
		}
	}
	return 0, false, e.Message
}

// endOf is an end by a code, in the API's form and the gateway's words.
func endOf(code int) []byte {
	e := ended{Status: succeeded}
	if code != 0 {
		n := strconv.Itoa(code)
		e = ended{
			Status: failure, Reason: nonZero, Message: "command terminated with non-zero exit code: " + n,
			Details: &causes{[]cause{{causeOfCode, n}}},
		}
	}
	return mustJSON(e)
}

// failureOf is an error of the gateway's as a program's end.
func failureOf(err error) []byte {
	_, b := statusOf(err)
	return b
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		b = []byte(`{"status":"Failure"}`) // texts and numbers only; it cannot be
	}
	return b
}

// said is what a cluster says, as the client may see it.
func (x *running) said(text string) (mask.Masked, error) {
	body := x.t.diagnostics.Body(payload.Text)
	defer body.Abort()
	m, err := body.Write(mask.FromUpstream([]byte(text)))
	if err != nil {
		return mask.Masked{}, err
	}
	rest, err := body.Flush()
	if err != nil {
		return mask.Masked{}, err
	}
	like := x.like(-1)
	like.Reason, like.Columns, like.Locus = "diagnostic", []string{"message of the cluster"}, "message"
	x.counts = append(x.counts, body.Counts(like)...)
	var b mask.Buffer
	b.Put(m)
	b.Put(rest)
	return b.Take(), nil
}

// told is what a cluster says of a failure as a Status, which is put on record.
func (x *running) told(e ended, text string) ([]byte, error) {
	m, err := x.said(text)
	if err != nil {
		return nil, err
	}
	if m.Len() > 0 {
		if err := x.sess.Record(x.permit, "message", m); err != nil {
			return nil, err
		}
	}
	e.Message = string(m.AppendTo(nil))
	return mustJSON(e), nil
}

// refused tells the client that the cluster refuses a program, and returns it as an
// error.
func (x *running) refused(w http.ResponseWriter, res *http.Response) error {
	defer res.Body.Close() //nolint:errcheck // it was read as far as it is needed
	b, _ := io.ReadAll(io.LimitReader(res.Body, maxStatus))
	err := sallyport.E(sallyport.Unavailable, Protocol, "the cluster refuses the program with the status "+strconv.Itoa(res.StatusCode))
	var e ended
	if json.Unmarshal(b, &e) != nil || e.Message == "" || res.StatusCode < http.StatusBadRequest {
		fail(w, err)
		return err
	}
	body, merr := x.told(ended{Kind: "Status", Version: "v1", Status: failure, Reason: reasonOf(res.StatusCode), Code: res.StatusCode}, e.Message)
	if merr != nil {
		fail(w, merr)
		return merr
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(res.StatusCode)
	_, _ = w.Write(body) // a client that is gone has nothing to be told
	return err
}
