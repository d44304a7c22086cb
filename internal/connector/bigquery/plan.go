// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package bigquery

import (
	"encoding/json"
	"net/http"
	"net/url"

	sallyport "github.com/sallyport-dev/sallyport"
	analyze "github.com/sallyport-dev/sallyport/internal/analyze/bigquery"
	"github.com/sallyport-dev/sallyport/internal/connector/bigquery/meta"
	"github.com/sallyport-dev/sallyport/internal/mask"
)

// plan says how the rows of the call's answer are masked.
func (e *exchange) plan(s *seen) (*mask.BQPlan, error) {
	profile := e.t.cfg.Masking.Profile().Name()
	if e.call.Answer != analyze.AnswerRows {
		return mask.NewBQPlan(nil, profile)
	}
	columns, err := e.columns(s)
	if err != nil {
		return nil, err
	}
	return mask.NewBQPlan(columns, profile)
}

// columns are those of the answer's rows, with what the verdict says of each.
func (e *exchange) columns(s *seen) ([]mask.BQColumn, error) {
	masking, st, masks := e.t.cfg.Masking, e.call.Statement, e.admission.Masks()
	if e.alike && (s.Schema != nil || len(e.call.Hidden) > 0) {
		return e.allAlike(s)
	}
	if s.Schema != nil {
		return meta.Columns(masking, s.Schema, st, masks)
	}
	if e.call.Method.ID != "bigquery.tabledata.list" && e.call.Read == nil {
		if len(s.Rows) > 0 {
			return nil, unknownForm(nil)
		}
		return nil, nil
	}
	names := e.call.Selected
	ctx := withSession(e.request.Context(), e.sess)
	if len(e.call.Hidden) == 0 {
		// Rows come by position: they are held against the table as it is by now, and
		// masked whole where that is another than the one that was judged.
		e.t.catalogue.Forget(e.call.Table)
		return e.t.catalogue.TableColumns(ctx, masking, e.call.Table, names, st, masks)
	}
	schema, err := e.schema()
	if err != nil {
		return nil, err
	}
	columns, err := meta.Columns(masking, schema, st, masks)
	if err != nil || names == "" {
		return columns, err
	}
	return meta.Select(columns, names)
}

// allAlike are the columns of an answer of which each is what the statement's one
// output is.
func (e *exchange) allAlike(s *seen) ([]mask.BQColumn, error) {
	schema := s.Schema
	if schema == nil {
		var err error
		if schema, err = e.schema(); err != nil {
			return nil, err
		}
	}
	columns, err := meta.Alike(e.t.cfg.Masking, schema, e.call.Statement, e.admission.Masks())
	if names := e.request.URL.Query().Get("selectedFields"); err == nil && names != "" && s.Schema == nil {
		return meta.Select(columns, names)
	}
	return columns, err
}

// schema asks for the schema of the hidden table whose rows are listed.
func (e *exchange) schema() (json.RawMessage, error) {
	t := e.call.Table
	path := "/bigquery/v2/projects/" + url.PathEscape(t.Project) + "/datasets/" + url.PathEscape(t.Dataset.ID) + "/tables/" + url.PathEscape(t.ID)
	status, b, err := e.t.fetchAs(e.request.Context(), e.sess, e.owner.role, path, url.Values{})
	if err != nil {
		return nil, err
	}
	var table struct {
		Schema json.RawMessage `json:"schema"`
	}
	if err := json.Unmarshal(b, &table); err != nil || status != http.StatusOK || table.Schema == nil {
		return nil, sallyport.E(sallyport.Unavailable, "bigquery", "the target does not say which columns the table has").WithHint("ask again").Because(err)
	}
	return table.Schema, nil
}
