# KSC Ledger on Airflow's image. Targets: `production`; `demo`, the same with the simulated servers' and
# the mail catcher's programs; `bi`, the dashboard, which can never share an environment with Airflow. Why an environment of our own
# lies beside the base image's: docs/adr/0019.
ARG AIRFLOW_IMAGE=apache/airflow:3.3.2

FROM ${AIRFLOW_IMAGE} AS production
USER root
# Names of a package index or a proxy are given by whoever builds; none is kept in the image.
ARG PIP_INDEX_URL
ARG UV_INDEX_URL
ENV PIP_USER=false PIP_DISABLE_PIP_VERSION_CHECK=1 UV_LINK_MODE=copy
COPY requirements/bootstrap.lock requirements/production.lock /tmp/requirements/
# uv is a tool of the build only. It knows no pip.conf; where that is needed, pip does the same slower.
RUN python3 -m venv /tmp/tools \
 && /tmp/tools/bin/python -m pip install --quiet --no-cache-dir --require-hashes -r /tmp/requirements/bootstrap.lock \
 && python3 -m venv /opt/ksc-ledger/venv \
 && { /tmp/tools/bin/uv pip install --quiet --no-cache --compile-bytecode --python /opt/ksc-ledger/venv/bin/python \
        --require-hashes -r /tmp/requirements/production.lock \
      || /opt/ksc-ledger/venv/bin/python -m pip install --quiet --no-cache-dir --require-hashes -r /tmp/requirements/production.lock; } \
 && rm -rf /tmp/tools /tmp/requirements
COPY pyproject.toml /opt/ksc-ledger/
COPY plugins /opt/ksc-ledger/plugins
COPY dags /opt/ksc-ledger/dags
COPY sql /opt/ksc-ledger/sql
COPY expectations /opt/ksc-ledger/expectations
COPY deploy/airflow /opt/ksc-ledger/airflow
COPY deploy/entrypoint.sh deploy/tidy.sh /opt/ksc-ledger/
# The root file system is read-only at run time: everything is compiled here. The volumes' places
# belong to the user already, so that nobody has to be root to hand them over.
RUN cd /opt/ksc-ledger \
 && venv/bin/python -m pip install --quiet --no-cache-dir --no-deps --no-build-isolation --no-index --editable . \
 && venv/bin/python -m compileall -q plugins dags airflow \
 && install -d -o 50000 -g 0 -m 0750 /var/lib/ksc-ledger /var/lib/ksc-ledger/marts /var/lib/ksc-ledger-demo \
 && install -d -m 0755 /etc/ksc-ledger /etc/ksc-ledger/registry /etc/ksc-ledger/private
ENV PATH=/opt/ksc-ledger/venv/bin:$PATH \
    AIRFLOW_HOME=/opt/ksc-ledger/airflow \
    KSC_LEDGER_HOME=/var/lib/ksc-ledger \
    KSC_LEDGER_REGISTRY=/etc/ksc-ledger/registry \
    HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    GX_ANALYTICS_ENABLED=false
USER 50000:0
WORKDIR /opt/ksc-ledger
ENTRYPOINT ["/usr/bin/dumb-init", "--", "/opt/ksc-ledger/entrypoint.sh"]
CMD ["ksc-ledger", "--help"]

FROM production AS demo
USER root
ARG PIP_INDEX_URL
COPY requirements/compose-demo.lock /tmp/
RUN /opt/ksc-ledger/venv/bin/python -m pip install --quiet --no-cache-dir --require-hashes -r /tmp/compose-demo.lock \
 && rm /tmp/compose-demo.lock
COPY deploy/demo /opt/ksc-ledger/demo
USER 50000:0

FROM ${AIRFLOW_IMAGE} AS bi
USER root
ARG PIP_INDEX_URL
ARG UV_INDEX_URL
ENV PIP_USER=false PIP_DISABLE_PIP_VERSION_CHECK=1 UV_LINK_MODE=copy
COPY requirements/bootstrap.lock bi/requirements.lock /tmp/requirements/
RUN python3 -m venv /tmp/tools \
 && /tmp/tools/bin/python -m pip install --quiet --no-cache-dir --require-hashes -r /tmp/requirements/bootstrap.lock \
 && python3 -m venv /opt/ksc-ledger/venv \
 && { /tmp/tools/bin/uv pip install --quiet --no-cache --compile-bytecode --python /opt/ksc-ledger/venv/bin/python \
        --require-hashes -r /tmp/requirements/requirements.lock \
      || /opt/ksc-ledger/venv/bin/python -m pip install --quiet --no-cache-dir --require-hashes -r /tmp/requirements/requirements.lock; } \
 && rm -rf /tmp/tools /tmp/requirements
COPY plugins /opt/ksc-ledger/plugins
COPY bi /opt/ksc-ledger/bi
COPY deploy/bi.sh /opt/ksc-ledger/
# Not the pipeline's user and not in its group: of the marts it reads what is masked.
RUN install -d -o 50001 -g 50001 -m 0750 /srv/ksc-ledger /srv/ksc-ledger/bi && install -d -m 0755 /srv/ksc-ledger/marts
ENV PATH=/opt/ksc-ledger/venv/bin:$PATH PYTHONPATH=/opt/ksc-ledger:/opt/ksc-ledger/plugins \
    KSC_LEDGER_HOME=/srv/ksc-ledger HOME=/tmp TZ=UTC PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 50001:50001
WORKDIR /opt/ksc-ledger
ENTRYPOINT ["/usr/bin/dumb-init", "--"]
CMD ["sh", "bi.sh"]
