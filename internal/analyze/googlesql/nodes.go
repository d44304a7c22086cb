// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package googlesql

// listed reports whether a kind of node is understood by its children alone:
// neither it nor its words name anything outside of the query, do anything, or
// change what other names mean.
func listed(name string) bool {
	switch name {
	// Queries.
	case "AliasedQueryExpression", "SelectAs", "SelectList", "SelectColumn", "Alias", "Star",
		"StarWithModifiers", "DotStar", "DotStarWithModifiers", "StarModifiers", "StarExceptList", "StarReplaceItem",
		"FromClause", "TVFArgument", "UnnestExpression", "ExpressionWithOptAlias", "WithOffset",
		"ForSystemTime", "SampleClause", "SampleSize", "SampleSuffix", "WithWeight", "RepeatableClause", "PathExpressionList",
		"PivotClause", "PivotExpressionList", "PivotExpression", "PivotValueList", "PivotValue", "UnpivotClause",
		"UnpivotInItemList", "UnpivotInItem", "UnpivotInItemLabel", "Join", "OnClause", "UsingClause", "OnOrUsingClauseList",
		"ParenthesizedJoin", "WhereClause", "GroupBy", "GroupByAll", "GroupingItem", "Rollup", "Cube", "GroupingSet",
		"GroupingSetList", "GroupingItemOrder", "Having", "Qualify", "OrderBy", "OrderingExpression", "Collate", "NullOrder",
		"Hint", "HintEntry", "LimitOffset", "Limit", "SetOperation", "SetOperationMetadataList", "SetOperationMetadata",
		"SetOperationType", "SetOperationAllOrDistinct", "SetOperationColumnMatchMode", "SetOperationColumnPropagationMode",
		"ColumnList", "WindowClause", "WindowDefinition", "WindowSpecification", "WindowFrame", "WindowFrameExpr", "PartitionBy",
		"InputTableArgument", "Descriptor", "DescriptorColumnList", "DescriptorColumn", "Location", "FromQuery":
		return true
	// Pipe operators that only shape rows.
	case "PipeJoin", "PipeJoinLhsPlaceholder", "PipeSelect", "PipeExtend", "PipeWindow", "PipeLimitOffset", "PipeDistinct",
		"PipeAggregate", "PipeWhere", "PipeTablesample", "PipeOrderBy", "PipeSet", "PipeSetItem", "PipeRename",
		"PipeRenameItem", "PipeDrop", "PipePivot", "PipeUnpivot", "PipeCall", "PipeSetOperation":
		return true
	// Expressions.
	case "Identifier", "PathExpression", "NullLiteral", "BooleanLiteral", "IntLiteral", "FloatLiteral", "StringLiteral",
		"StringLiteralComponent", "BytesLiteral", "BytesLiteralComponent", "NumericLiteral", "BigNumericLiteral", "JSONLiteral",
		"DateOrTimeLiteral", "IntervalExpr", "RangeLiteral", "UnaryExpression", "BinaryExpression", "BitwiseShiftExpression",
		"AndExpr", "OrExpr", "BetweenExpression", "InList", "InExpression", "AnySomeAllOp", "LikeExpression",
		"QuantifiedComparisonExpression", "StructConstructorWithParens", "StructConstructorArg", "StructConstructorWithKeyword",
		"ArrayConstructor", "ExpressionSubquery", "CaseValueExpression", "CaseNoValueExpression", "DotIdentifier",
		"ArrayElement", "NamedArgument", "HavingModifier", "AnalyticFunctionCall", "DefaultLiteral", "ParameterExpr",
		"CastExpression", "ExtractExpression", "FormatClause", "ExpressionWithAlias", "MaxLiteral", "WithExpression",
		"SimpleType", "ArrayType", "StructType", "StructField", "RangeType", "TypeParameterList", "OptionsEntry":
		return true
	// Definitions of columns.
	case "TableElementList", "ColumnDefinition", "SimpleColumnSchema", "ArrayColumnSchema", "StructColumnSchema",
		"StructColumnField", "ColumnAttributeList", "NotNullColumnAttribute", "PrimaryKeyColumnAttribute", "PrimaryKey",
		"PrimaryKeyElementList", "PrimaryKeyElement", "ForeignKey", "ClusterBy", "ColumnWithOptionsList", "ColumnWithOptions",
		"WithPartitionColumnsClause", "WithConnectionClause", "GeneratedColumnInfo":
		return true
	// Parts of statements.
	case "InsertValuesRowList", "InsertValuesRow", "UpdateItemList", "UpdateItem", "UpdateSetValue", "MergeWhenClauseList",
		"MergeWhenClause", "MergeAction", "AssertRowsModified", "IdentifierList", "AlterActionList", "SetOptionsAction",
		"AddColumnAction", "DropColumnAction", "RenameColumnAction", "AlterColumnTypeAction", "AlterColumnOptionsAction",
		"AlterColumnSetDefaultAction", "AlterColumnDropDefaultAction", "AlterColumnDropNotNullAction", "AddConstraintAction",
		"DropConstraintAction", "DropPrimaryKeyAction":
		return true
	}
	return false
}
