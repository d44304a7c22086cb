// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"mime"
	"net/http"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/analyze/kube"
)

// accepted are the forms that a client takes an answer in, those of JSON alone.
type accepted struct {
	tables []string // as tables
	others []string
	schema string // of schemas alone: as the client says it
}

// maxAccept bounds the forms of a request, and maxSchema what it says of a schema's, in
// bytes.
const (
	maxAccept = 16
	maxSchema = 1 << 10
)

// acceptable reads which forms of JSON a client takes.
func acceptable(h http.Header, c *call) (accepted, error) {
	var out accepted
	all := strings.Join(h.Values("Accept"), ",")
	if all == "" || c.logs() {
		return out, nil // a log is text
	}
	if !c.IsResource && strings.HasPrefix(c.path, "/openapi/") {
		// Schemas come in forms of their own, and a client that wants one reads no other:
		// older releases of kubectl take them in protobuf alone. They hold nothing of
		// what is in the cluster.
		if len(all) <= maxSchema && !strings.ContainsFunc(all, func(r rune) bool { return r < ' ' || r > '~' }) {
			out.schema = all
		}
		return out, nil
	}
	forms := strings.Split(all, ",")
	if len(forms) > maxAccept {
		return out, bad("the request takes its answer in too many forms", "send Accept: application/json")
	}
	for _, form := range forms {
		media, params, err := mime.ParseMediaType(form)
		if err != nil {
			continue
		}
		switch media {
		case "application/json", "*/*", "application/*":
			out.add(params)
		}
	}
	if len(out.tables)+len(out.others) == 0 {
		if !c.IsResource {
			return out, nil // health checks are text
		}
		return out, status(http.StatusNotAcceptable, "NotAcceptable", bad("the request takes no JSON, and nothing else can be masked",
			"send Accept: application/json; client libraries have it as the content type of their configuration"))
	}
	return out, nil
}

// add adds JSON with the parameters by which the API tells its forms apart.
func (a *accepted) add(params map[string]string) {
	form := "application/json"
	for _, name := range []string{"as", "g", "v"} {
		v := params[name]
		if v == "" {
			continue
		}
		if strings.Trim(v, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") != "" {
			return
		}
		form += ";" + name + "=" + v
	}
	if params["as"] == "Table" {
		a.tables = append(a.tables, form)
		return
	}
	a.others = append(a.others, form)
}

// header is what the cluster is told. A table whose cells are all masked is of no use
// to anybody, so that plain, where it is true, leaves tables out.
func (a accepted) header(c *call, plain bool) string {
	forms := a.others
	if !plain || len(forms) == 0 {
		forms = append(append([]string(nil), a.tables...), a.others...)
	}
	switch {
	case a.schema != "":
		return a.schema
	case len(forms) > 0:
		return strings.Join(forms, ",")
	case !c.IsResource || c.logs():
		return "*/*"
	}
	return "application/json"
}

// logs reports whether a call asks for a pod's log.
func (c *call) logs() bool {
	return c.IsResource && c.Group == "" && c.Resource == "pods" && c.Subresource == "log"
}

// changes reports whether a call changes or removes one object that there is.
func (c *call) changes() bool {
	if !c.IsResource || c.Name == "" {
		return false
	}
	switch c.Verb {
	case "update", "patch", "delete":
		return true
	case "create":
		return c.Subresource != ""
	}
	return false
}

// object is the path of the object that a call is about, without a subresource.
func (c *call) object() string {
	path := "/api/" + c.Version
	if c.Group != "" {
		path = "/apis/" + c.Group + "/" + c.Version
	}
	if c.Namespace != "" && !(c.Resource == "namespaces" && c.Group == "") {
		path += "/namespaces/" + c.Namespace
	}
	return path + "/" + c.Resource + "/" + c.Name
}

// workload reports whether a call can make something run in a pod.
func (c *call) workload() bool { return kube.Workload(c.Group, c.Resource) }
