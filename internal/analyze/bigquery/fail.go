// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"encoding/json"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Failure is an error in the form that Google's clients read.
type Failure struct {
	Status int // of HTTP
	Body   []byte
}

// fault is how a kind of error is told.
type fault struct {
	status       int
	reason, name string
}

// Fail tells a client of an error, with what to do about it in the message.
//
// Clients repeat a request after some answers without an end: the Go client after
// any status from 500 on and after the reasons backendError, internalError and
// rateLimitExceeded. Such an answer is given only where mayRepeat says that a
// repetition can help, which whoever counts the repetitions knows. Otherwise what
// is wrong with the gateway is told as "blocked", a refusal for the time being.
func Fail(err error, mayRepeat bool) Failure {
	msg, hint := sallyport.Public(err)
	if hint != "" {
		msg += " (to do: " + hint + ")"
	}
	f := faultOf(sallyport.KindOf(err), mayRepeat)
	type item struct {
		Message string `json:"message"`
		Domain  string `json:"domain"`
		Reason  string `json:"reason"`
	}
	type detail struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Errors  []item `json:"errors"`
		Status  string `json:"status"`
	}
	body, merr := json.Marshal(struct {
		Error detail `json:"error"`
	}{detail{f.status, msg, []item{{msg, "global", f.reason}}, f.name}})
	if merr != nil {
		body = []byte("{}") // texts and a number only; it cannot be
	}
	return Failure{Status: f.status, Body: append(body, '\n')}
}

func faultOf(k sallyport.Kind, mayRepeat bool) fault {
	switch k {
	case sallyport.Invalid:
		return fault{400, "invalid", "INVALID_ARGUMENT"}
	case sallyport.Unauthenticated:
		return fault{401, "authError", "UNAUTHENTICATED"}
	case sallyport.Denied, sallyport.Held:
		return fault{403, "accessDenied", "PERMISSION_DENIED"}
	case sallyport.NotFound:
		return fault{404, "notFound", "NOT_FOUND"}
	case sallyport.Conflict:
		return fault{409, "duplicate", "ALREADY_EXISTS"}
	case sallyport.Exhausted:
		if mayRepeat {
			return fault{403, "rateLimitExceeded", "RESOURCE_EXHAUSTED"}
		}
		return fault{403, "quotaExceeded", "RESOURCE_EXHAUSTED"}
	case sallyport.Unavailable:
		if mayRepeat {
			return fault{503, "backendError", "UNAVAILABLE"}
		}
	}
	return fault{403, "blocked", "PERMISSION_DENIED"}
}
