// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/httpgate"
	"github.com/sallyport-dev/sallyport/internal/httpgate/upstream"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/session"
	"github.com/sallyport-dev/sallyport/internal/wire/googleapi"
)

// seen is what the gateway has to know of an answer.
type seen struct {
	JobReference struct {
		JobID    string `json:"jobId"`
		Location string `json:"location"`
	} `json:"jobReference"`
	Configuration struct {
		Query struct {
			DestinationTable struct {
				DatasetID string `json:"datasetId"`
				TableID   string `json:"tableId"`
			} `json:"destinationTable"`
		} `json:"query"`
	} `json:"configuration"`
	SessionInfo sessionInfo `json:"sessionInfo"`
	Statistics  struct {
		SessionInfo sessionInfo `json:"sessionInfo"`
	} `json:"statistics"`
	Status struct {
		State string `json:"state"`
	} `json:"status"`
	JobComplete bool            `json:"jobComplete"`
	Schema      json.RawMessage `json:"schema"`
	PageToken   string          `json:"pageToken"`
	Rows        []struct{}      `json:"rows"`
}

type sessionInfo struct {
	SessionID string `json:"sessionId"`
}

func unknownForm(err error) error {
	return sallyport.E(sallyport.Unavailable, "bigquery", "the target answers in a form that is not known").
		WithHint("nothing of the answer is shown; ask the gateway's operator").Because(err)
}

// answer masks, records and delivers the service's answer.
func (e *exchange) answer(w http.ResponseWriter, p session.Permit, res *http.Response, b []byte, o *upstream.Outcome) error {
	h := w.Header()
	if res.StatusCode == http.StatusPermanentRedirect && e.call.Upload == analyze.UploadContinue {
		if v := res.Header.Get("Range"); strings.Trim(v, "bytes=-0123456789") == "" && v != "" {
			h.Set("Range", v)
		}
		o.Code = res.StatusCode
		w.WriteHeader(o.Code)
		return nil
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		f := e.refusal(res.StatusCode, b)
		if err := e.sess.Record(p, recordBody, mask.Synthetic([]byte("(an error, status "+strconv.Itoa(f.Status)+")\n"))); err != nil {
			return err
		}
		return e.deliver(w, o, f.Status, mask.Synthetic(f.Body))
	}
	if to := res.Header.Get("Location"); to != "" && e.call.Upload == analyze.UploadBegin {
		id, err := e.t.tokens.seal(e.purpose("upload"), to)
		if err != nil {
			return err
		}
		h.Set("Location", e.origin()+"/upload/bigquery/v2/projects/"+url.PathEscape(e.call.Project)+"/jobs?uploadType=resumable&upload_id="+id)
	}
	if len(strings.TrimSpace(string(b))) == 0 {
		return e.deliver(w, o, res.StatusCode, mask.Masked{})
	}
	m, err := e.masked(b, o)
	if err != nil {
		return err
	}
	if err := e.sess.Record(p, recordBody, e.recorded(m)); err != nil {
		return err
	}
	return e.deliver(w, o, res.StatusCode, m)
}

// recorded is what stands on record of an answer. A job's has the client's own text
// and parameters in it, with the values that a client writes there; the intent has
// the text without them.
func (e *exchange) recorded(m mask.Masked) mask.Masked {
	if e.call.Answer == analyze.AnswerJob || e.call.Upload == analyze.UploadContinue {
		return mask.Synthetic([]byte("(" + strconv.Itoa(m.Len()) + " bytes that describe jobs)\n"))
	}
	return m
}

// deliver lets an answer leave. What is the target's in it is on record by then.
func (e *exchange) deliver(w http.ResponseWriter, o *upstream.Outcome, status int, m mask.Masked) error {
	if m.Len() > 0 {
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(m.Len()))
	o.Code = status
	w.WriteHeader(status)
	n, err := m.WriteTo(w)
	if o.Bytes += uint64(n); err != nil {
		return errors.Join(httpgate.ErrBroken, err)
	}
	return nil
}

// masked is the answer as the client gets it.
func (e *exchange) masked(b []byte, o *upstream.Outcome) (mask.Masked, error) {
	b, err := e.ownJobs(b)
	if err != nil {
		return mask.Masked{}, err
	}
	var s seen
	if err := json.Unmarshal(b, &s); err != nil {
		return mask.Masked{}, unknownForm(err)
	}
	if err := e.observe(&s); err != nil {
		return mask.Masked{}, err
	}
	plan, err := e.plan(&s)
	if err != nil {
		return mask.Masked{}, err
	}
	members, err := e.members(&s)
	if err != nil {
		return mask.Masked{}, err
	}
	plan.SetContext(e.request.Context())
	m, err := plan.MaskRows(mask.FromUpstream(b), members)
	o.Rows = plan.Rows()
	e.counts = append(e.counts, plan.TakeCounts()...)
	if err != nil || e.call.Fields == nil {
		return m, err
	}
	return mask.Less(m, e.call.Fields.Apply)
}

// observe takes into the registry what an answer tells of jobs, hidden tables and
// sessions.
func (e *exchange) observe(s *seen) error {
	if e.call.Method.ID == "bigquery.jobs.query" && s.JobReference.JobID != "" {
		j, _, err := e.t.jobs.add(e.newJob(s.JobReference.JobID, e.whole()))
		if err != nil {
			return err
		}
		if e.job = j; e.changing != nil {
			e.t.jobs.arrived(j, s.JobReference.Location)
			e.t.jobs.become(e.changing, j)
		}
	}
	if e.client != "" && e.job == nil {
		if j, err := e.t.jobs.job(e.owner, e.client); err == nil {
			e.job = j
		}
	}
	if err := e.followed(s); err != nil {
		return err
	}
	to := s.Configuration.Query.DestinationTable
	if e.job != nil && strings.HasPrefix(to.DatasetID, "_") {
		e.t.jobs.made(e.job, to.DatasetID, to.TableID)
	}
	for _, id := range []string{s.SessionInfo.SessionID, s.Statistics.SessionInfo.SessionID} {
		if id != "" && (e.call.CreateSession || e.call.Session == id) {
			e.t.jobs.began(e.owner, id)
		}
	}
	return nil
}

// ownJobs gives jobs in an answer the ids that the client knows, and leaves out
// those of others.
func (e *exchange) ownJobs(b []byte) ([]byte, error) {
	if e.call.Answer != analyze.AnswerJob && e.call.Answer != analyze.AnswerRows && e.call.Upload != analyze.UploadContinue {
		return b, nil
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, unknownForm(err)
	}
	if e.call.Method.ID == "bigquery.jobs.list" {
		return e.listed(doc)
	}
	inner := doc["job"] // of jobs.cancel
	if inner != nil {
		var job map[string]json.RawMessage
		if err := json.Unmarshal(inner, &job); err != nil {
			return nil, unknownForm(err)
		}
		if err := e.named(job); err != nil {
			return nil, err
		}
		var err error
		if doc["job"], err = json.Marshal(job); err != nil {
			return nil, unknownForm(err)
		}
		return json.Marshal(doc)
	}
	if err := e.named(doc); err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}

// named gives one job the client's id. A job that is nobody's keeps its own, which
// says nothing.
func (e *exchange) named(doc map[string]json.RawMessage) error {
	var ref map[string]string
	if doc["jobReference"] == nil {
		return nil
	}
	if err := json.Unmarshal(doc["jobReference"], &ref); err != nil {
		return unknownForm(err)
	}
	j := e.t.jobs.ours(e.owner, ref["jobId"])
	if j != nil {
		ref["jobId"] = j.client
	}
	var err error
	if doc["jobReference"], err = json.Marshal(ref); err != nil {
		return unknownForm(err)
	}
	delete(doc, "selfLink")
	if doc["id"] != nil {
		id := ref["projectId"] + ":" + ref["location"] + "." + ref["jobId"]
		if ref["location"] == "" {
			id = ref["projectId"] + ":" + ref["jobId"]
		}
		if doc["id"], err = json.Marshal(id); err != nil {
			return unknownForm(err)
		}
	}
	return nil
}

// listed leaves an owner's jobs in a list. What a script began belongs to whoever
// began the script, and what it reads is not known.
func (e *exchange) listed(doc map[string]json.RawMessage) ([]byte, error) {
	var all []map[string]json.RawMessage
	if doc["jobs"] != nil {
		if err := json.Unmarshal(doc["jobs"], &all); err != nil {
			return nil, unknownForm(err)
		}
	}
	kept := []map[string]json.RawMessage{}
	for _, one := range all {
		var ref struct {
			JobID string `json:"jobId"`
		}
		if err := json.Unmarshal(one["jobReference"], &ref); err != nil {
			return nil, unknownForm(err)
		}
		if e.t.jobs.ours(e.owner, ref.JobID) == nil {
			if e.call.Parent == "" {
				continue
			}
			if _, _, err := e.t.jobs.add(e.newJob(ref.JobID, child(e.job.statement))); err != nil {
				return nil, err
			}
		}
		if err := e.named(one); err != nil {
			return nil, err
		}
		kept = append(kept, one)
	}
	var err error
	if doc["jobs"], err = json.Marshal(kept); err != nil {
		return nil, unknownForm(err)
	}
	return json.Marshal(doc)
}

// child is what a part of a script is judged by: it may show all that the script
// reads.
func child(st *sallyport.Statement) *sallyport.Statement {
	c := *st
	out := sallyport.Output{Unknown: true, Why: "the answer is of a part of a script"}
	for _, o := range st.Outputs {
		out.Sources = append(out.Sources, o.Sources...)
	}
	c.Outputs = []sallyport.Output{out}
	return &c
}

// refusal is an error of the service. Its message can hold what a query read, so
// that it is told only where all that was read may be seen as it is; where in the
// text an error lies is told always.
func (e *exchange) refusal(status int, b []byte) googleapi.Failure {
	var x struct {
		Error struct {
			Message string `json:"message"`
			Status  string `json:"status"`
			Errors  []struct {
				Reason string `json:"reason"`
			} `json:"errors"`
		} `json:"error"`
	}
	reason := "backendError"
	if json.Unmarshal(b, &x) == nil && len(x.Error.Errors) > 0 && isWord(x.Error.Errors[0].Reason) {
		reason = x.Error.Errors[0].Reason
	}
	if !isWord(x.Error.Status) {
		x.Error.Status = ""
	}
	msg := "the target answers " + strconv.Itoa(status) + " " + http.StatusText(status) + " (" + reason + ")"
	if at := regexp.MustCompile(`at \[[0-9]{1,6}:[0-9]{1,6}\]`).FindString(x.Error.Message); at != "" {
		msg += " " + at
	}
	return googleapi.Refusal(status, e.message(x.Error.Message, msg), reason, x.Error.Status)
}

// message chooses between what the service says and what stands in its place.
func (e *exchange) message(theirs, ours string) string {
	if e.open() && theirs != "" {
		return theirs
	}
	return ours + "; its message is withheld, since it can hold what this role may not see"
}

// open reports whether the call, and the query whose answer it asks for, read
// nothing but what may be seen as it is.
func (e *exchange) open() bool {
	st := e.whole()
	if len(e.admission.Masks()) > 0 || tells(st) || e.call.Method.ID == "bigquery.jobs.list" {
		return false // what each job of a list reads may differ
	}
	if e.job != nil && (len(e.job.statement.Outputs) > 0 && len(st.Outputs) == 0 || tells(e.job.statement)) {
		return false // asked for without its rows, the query's verdict is not known
	}
	return true
}

// tells reports whether what a statement dies of can hold what it reads and no
// verdict says may be seen: that by which rows are chosen, what goes from one place
// to another, and files.
func tells(st *sallyport.Statement) bool {
	if len(st.Predicates) > 0 || slices.ContainsFunc(st.Flows, func(f sallyport.Flow) bool { return f.Unknown || len(f.Sources) > 0 }) {
		return true
	}
	return slices.ContainsFunc(st.Accesses, func(a sallyport.Access) bool {
		return a.Effect == sallyport.Read && (a.Object.Kind == analyze.KindURL || len(st.Outputs) == 0 && len(a.Columns) > 0)
	})
}

// isWord reports whether s is a word of the interface and cannot be data.
func isWord(s string) bool {
	return s != "" && len(s) <= 60 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_") == ""
}

// origin is what stands before the service's paths for the client.
func (e *exchange) origin() string {
	scheme := "https"
	if e.request.TLS == nil {
		scheme = "http"
	}
	return scheme + "://" + e.request.Host + e.base
}

// discovery answers with the description of the interface.
func (e *exchange) discovery(w http.ResponseWriter, o *upstream.Outcome) error {
	b, err := analyze.Discovery(e.origin()+"/", func(string) bool { return true })
	if err != nil {
		return err
	}
	return e.deliver(w, o, http.StatusOK, mask.Synthetic(b))
}

// projects answers with the resource's project: others are none of it.
func (e *exchange) projects(w http.ResponseWriter, o *upstream.Outcome) error {
	type reference struct {
		ProjectID string `json:"projectId"`
	}
	type project struct {
		Kind         string    `json:"kind"`
		ID           string    `json:"id"`
		FriendlyName string    `json:"friendlyName"`
		Reference    reference `json:"projectReference"`
	}
	name := e.t.cfg.Project
	b, err := json.Marshal(struct {
		Kind       string    `json:"kind"`
		TotalItems int       `json:"totalItems"`
		Projects   []project `json:"projects"`
	}{"bigquery#projectList", 1, []project{{"bigquery#project", name, name, reference{name}}}})
	if err != nil {
		return unknownForm(err)
	}
	return e.deliver(w, o, http.StatusOK, mask.Synthetic(b))
}
