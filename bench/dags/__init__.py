"""DAG files that only the benchmark's Airflow reads."""
