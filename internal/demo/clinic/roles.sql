-- gateway: the role that Sallyport logs in with. Query trees are sent to the
-- session and not written into the server's log.
CREATE ROLE gateway LOGIN CREATEDB PASSWORD '%[1]s';
ALTER ROLE gateway SET log_min_messages = 'fatal';
ALTER ROLE gateway SET log_min_error_statement = 'panic'; -- nor a statement, when its back end is ended
GRANT CONNECT, TEMPORARY ON DATABASE clinic TO gateway;
GRANT USAGE, CREATE ON SCHEMA public TO gateway;
GRANT USAGE ON SCHEMA payroll TO gateway;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA public, payroll TO gateway;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO gateway;

-- gateway_analyser: has statements analysed without being able to read a row.
CREATE ROLE gateway_analyser LOGIN PASSWORD '%[2]s';
ALTER ROLE gateway_analyser SET log_min_messages = 'fatal';
ALTER ROLE gateway_analyser SET log_min_error_statement = 'panic';
GRANT CONNECT ON DATABASE clinic TO gateway_analyser;
GRANT USAGE ON SCHEMA public, payroll TO gateway_analyser;
