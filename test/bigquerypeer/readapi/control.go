// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// control is the counterpart's control port.
type control struct {
	url    string
	client http.Client
}

// answer is what every action may answer.
type answer struct {
	Error *struct {
		Code            int
		Reason, Message string
	}
}

func (a answer) status() error {
	if a.Error == nil {
		return nil
	}
	code, ok := map[int]codes.Code{
		http.StatusBadRequest: codes.InvalidArgument, http.StatusUnauthorized: codes.Unauthenticated, http.StatusForbidden: codes.PermissionDenied,
		http.StatusNotFound: codes.NotFound, http.StatusTooManyRequests: codes.ResourceExhausted, http.StatusNotImplemented: codes.Unimplemented,
		http.StatusServiceUnavailable: codes.Unavailable, http.StatusConflict: codes.AlreadyExists,
	}[a.Error.Code]
	if !ok {
		code = codes.Internal
	}
	return status.Error(code, a.Error.Message)
}

func (c *control) do(ctx context.Context, action string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/"+action, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return status.Errorf(codes.Internal, "the control port: status %d: %v", resp.StatusCode, err)
	}
	return nil
}

// admitted is whose a call is.
type admitted struct {
	identity string
	cut      bool // the stream ends in its middle
}

// admit notes a call, and says whose it is.
func (c *control) admit(ctx context.Context, service, method string, message proto.Message) (admitted, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	headers := make(map[string]string, len(md))
	for name, values := range md {
		headers[name] = strings.Join(values, ", ")
	}
	token, _ := strings.CutPrefix(headers["authorization"], "Bearer ")
	body, err := protojson.Marshal(message)
	if err != nil {
		return admitted{}, err
	}
	var out struct {
		answer
		Identity string
		Cut      bool
	}
	in := map[string]any{"service": service, "method": method, "token": token, "headers": headers, "body": string(body)}
	if err := c.do(ctx, "call", in, &out); err != nil {
		return admitted{}, err
	}
	return admitted{out.Identity, out.Cut}, out.status()
}

// field is a TableFieldSchema.
type field struct {
	Name, Type, Mode string
	Fields           []field
}

// table is a TableReference.
type table struct {
	ProjectID string `json:"projectId"`
	DatasetID string `json:"datasetId"`
	TableID   string `json:"tableId"`
}

type question struct {
	Identity    string   `json:"identity"`
	Table       table    `json:"table"`
	Fields      []string `json:"fields,omitempty"`
	Restriction string   `json:"restriction,omitempty"`
	Offset      int      `json:"offset"`
	Limit       int      `json:"limit"`
}

type cell struct{ V json.RawMessage }

type part struct {
	Schema []field
	Rows   []struct{ F []cell }
	More   bool
}

func (c *control) read(ctx context.Context, q question) (part, error) {
	var out struct {
		answer
		part
	}
	if err := c.do(ctx, "read", q, &out); err != nil {
		return part{}, err
	}
	return out.part, out.status()
}
