"""Results for people and for their tools: one HTML page, JUnit XML, SARIF. Nothing is judged here, only shown."""
