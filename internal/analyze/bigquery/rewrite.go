// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Own is what a request that is sent on says in place of what the client said,
// because every client of the gateway is the same identity to the service. What
// is empty stays as the client wrote it, except where a field says otherwise.
type Own struct {
	// Job is the job's id: of a new job, which needs one, or of the one that is asked
	// about. See [OwnJob].
	Job string
	// Parent is the job whose children are listed.
	Parent string
	// RequestID is a query's; empty for none. By it the service answers a repetition
	// with the first one's result, whoever sent it. See [OwnRequest].
	RequestID string
	// Session is the session in which a job runs.
	Session string
	// PageToken, UploadID and Location are the service's own for those of the client.
	PageToken, UploadID, Location string
	// NoCache asks that no answer of an earlier query is given.
	NoCache bool
}

// OwnJob makes a job's id for the service from a prefix of the gateway's and the
// client's id, or something that is used once where the client has none. A client
// that repeats a request repeats the id. Errors have kind Invalid.
func OwnJob(prefix, id string) (string, error) {
	out := prefix + id
	if _, err := jobID(out); err != nil || id == "" {
		return "", invalid("the id of a job is too long", "send a shorter one")
	}
	return out, nil
}

// OwnRequest makes a request's id for the service from what is the session's and
// the client's id. It is empty for none.
func OwnRequest(session, id string) string {
	if id == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(session + "\x00" + id))
	return hex.EncodeToString(sum[:16]) // the service takes 36 characters
}

// Forward is a request as it goes to the service, written from what was matched.
type Forward struct {
	Method string
	// Path is escaped and begins with a slash, Query is without the "?".
	Path, Query string
	// Body is JSON, or empty. The file of an upload is not part of it.
	Body []byte
}

// Rewrite writes the request anew. A call that is refused has none. Errors have
// kind Denied for such a call, else Internal.
func (c *Call) Rewrite(own Own) (Forward, error) {
	if c.Method == nil || c.Statement.Refused != "" {
		return Forward{}, sallyport.E(sallyport.Denied, op, "the request was refused").WithHint(c.Statement.Hint)
	}
	f := Forward{Method: c.Method.HTTP, Path: c.path(own)}
	extra := map[string]string{}
	if own.PageToken != "" {
		extra["pageToken"] = own.PageToken
	}
	if own.Parent != "" {
		extra["parentJobId"] = own.Parent
	}
	if _, ok := knownParams(c.Method)["location"]; ok && own.Location != "" {
		extra["location"] = own.Location
	}
	// A session sees its own jobs, and of the service's own datasets none.
	extra["allUsers"], extra["all"] = "", ""
	switch c.Upload {
	case UploadMultipart:
		extra["uploadType"] = "multipart"
	case UploadBegin:
		extra["uploadType"] = "resumable"
	case UploadContinue:
		extra["uploadType"], extra["upload_id"] = "resumable", c.UploadID
		if own.UploadID != "" {
			extra["upload_id"] = own.UploadID
		}
		f.Method = "PUT"
	}
	f.Query = c.params.encode(extra)
	if c.Method.Request == "" || c.Upload == UploadContinue {
		return f, nil
	}
	body, err := c.rewritten(own)
	if err != nil {
		return Forward{}, err
	}
	f.Body = body.bytes()
	return f, nil
}

// path fills the method's template in with the names as they were understood.
func (c *Call) path(own Own) string {
	vars := map[string]string{"projectId": c.Project}
	for k, v := range c.vars {
		if k != "projectId" {
			vars[k] = v
		}
	}
	if own.Job != "" {
		vars["jobId"] = own.Job
	}
	template, verb, hasVerb := strings.Cut(c.Method.Path, ":")
	var b strings.Builder
	if c.Upload != UploadNone {
		b.WriteString("/upload")
	}
	b.WriteString("/bigquery/v2")
	for part := range strings.SplitSeq(template, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			part = url.PathEscape(vars[strings.TrimSuffix(name, "}")])
		}
		b.WriteString("/" + part)
	}
	if hasVerb {
		b.WriteString(":" + verb)
	}
	return b.String()
}

// rewritten is the body with what the gateway states itself.
func (c *Call) rewritten(own Own) (value, error) {
	v := c.body
	switch c.Method.ID {
	case "bigquery.jobs.insert":
		if own.Job == "" {
			return v, sallyport.E(sallyport.Internal, op, "a new job has no id of the gateway's")
		}
		v = v.set(text(own.Job), "jobReference", "jobId").set(text(c.Project), "jobReference", "projectId")
		if c.Kind == "query" {
			v = v.set(c.stated(v.get("configuration", "query"), own), "configuration", "query")
		} else if own.Session != "" {
			job := session(v.get("configuration", c.Kind), own.Session)
			v = v.set(job, "configuration", c.Kind)
		}
	case "bigquery.jobs.query":
		// Without a job there would be nothing that the answer belongs to.
		v = c.stated(v, own).set(text("JOB_CREATION_REQUIRED"), "jobCreationMode").without("requestId")
		if own.RequestID != "" {
			v = v.set(text(own.RequestID), "requestId")
		}
	case "bigquery.tables.insert", "bigquery.tables.patch", "bigquery.tables.update":
		if v.get("view").kind == isObject && v.get("view").has("query") {
			v = v.set(boolean(false), "view", "useLegacySql")
		}
		if v.get("schema").kind == isNull { // bq sends it where it has nothing to say
			v = v.without("schema")
		}
	}
	return v, nil
}

// stated is a query's configuration with its dialect and cache said outright.
func (c *Call) stated(v value, own Own) value {
	v = v.set(boolean(false), "useLegacySql")
	if own.NoCache {
		v = v.set(boolean(false), "useQueryCache")
	}
	return session(v, own.Session)
}

// session replaces the session among the connection properties.
func session(v value, id string) value {
	if id == "" || !v.has("connectionProperties") {
		return v
	}
	list := value{kind: isList}
	for _, p := range v.get("connectionProperties").items {
		if p.string("key") == "session_id" {
			p = p.set(text(id), "value")
		}
		list.items = append(list.items, p)
	}
	return v.set(list, "connectionProperties")
}
